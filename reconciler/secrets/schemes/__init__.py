"""One module per scheme of references, each found by its name: ``aws-sm`` is ``aws_sm``."""
