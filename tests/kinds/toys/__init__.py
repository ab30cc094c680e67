"""Toys for a copy of the program, and what holds there; `tests/kinds/test_toy.py` puts them in and runs the checks."""
