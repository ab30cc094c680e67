"""Desired and live turned into a plan: pure, no clock, no database, no files."""
