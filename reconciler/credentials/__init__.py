"""Secrets kept in the database and references resolved: what joins keys and envelopes to the store."""
