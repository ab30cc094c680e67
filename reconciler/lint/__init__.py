"""Rules over configurations and plans turned into findings: what is valid, and still not what a team wants."""
