"""How each type of system is reached: a call turned into an answer. Only the mediator comes here."""
