"""Tests of the executor: killed, raced, locked out, cut off."""
