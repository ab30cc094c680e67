"""A plan as JSON: with the field names of Terraform's, and as a file that is trusted no further than it is checked."""
