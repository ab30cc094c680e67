"""Two bodies turned into the list of fields in which they differ."""
