"""The text of one YAML file turned into its canonical text: the same values and comments, in one style."""
