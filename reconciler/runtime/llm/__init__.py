"""Calls of models: what agents send in a provider's own format, bounded, decided, and passed on as it came."""
