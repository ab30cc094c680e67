"""A plan turned into a changed database: one transaction, all of it or nothing."""
