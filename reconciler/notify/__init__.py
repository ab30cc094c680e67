"""Events from the outbox, turned into requests and sent."""
