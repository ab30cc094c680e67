"""Guardrails: what is looked for in what agents send and get, found exactly however a text arrives."""
