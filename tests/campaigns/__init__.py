"""Campaigns: what the tests do a few hundred times, done a few thousand times by hand."""
