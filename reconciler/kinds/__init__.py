"""Kinds of resources, one module each: their specs, their references and their rules."""
