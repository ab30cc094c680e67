"""Configuration of other tools turned into manifests, and into an account of every field of theirs."""
