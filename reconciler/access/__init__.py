"""What was applied turned into who may do what: the decision, without asking or touching anything outside."""
