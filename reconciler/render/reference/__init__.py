"""The reference pages: what the models, the schemas, the table of kinds and the commands say, as Markdown."""
