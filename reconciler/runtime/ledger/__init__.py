"""What was asked and what came of it, kept durably, and what was used of every limit: the runtime's own store."""
