"""Laws that hold for every configuration, tried on random ones."""
