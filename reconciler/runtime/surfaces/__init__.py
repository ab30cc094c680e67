"""The ways in: HTTP and MCP for agents, HTTP for operators; each turns requests into calls of the mediator, and answers back."""
