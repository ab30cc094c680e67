"""Samples of other tools' files, written for these tests in the shapes of the real ones."""
