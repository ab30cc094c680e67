"""Turns configuration in YAML into live state in a database: load, plan, apply."""

__version__ = "0.1.0"
