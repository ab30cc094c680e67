"""Bad input of every kind, as tables: small file trees, arguments, and the problems that are to be reported."""
