"""Tests of the store: schema, triggers, URLs, errors, backups."""
