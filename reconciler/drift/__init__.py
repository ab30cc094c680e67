"""Live compared with what was last applied: what somebody else did."""
