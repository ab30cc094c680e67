"""Files turned into a Configuration: one direction, every problem reported in one run."""
