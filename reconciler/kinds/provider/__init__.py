"""Providers of language models: one file for each, with all that is known of it."""
