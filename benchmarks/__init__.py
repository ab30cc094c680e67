"""What the project costs at size, measured as whole processes beside the floor of the same work and beside its peers."""
