"""What was applied, turned into what was managed at any time, into plans that bring it back, and into blame."""
