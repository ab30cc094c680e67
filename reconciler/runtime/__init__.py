"""What was applied, used: calls of agents turned into decided, limited, recorded calls of connectors."""
