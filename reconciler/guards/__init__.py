"""What an apply is refused for unless somebody says so with a flag."""
