"""Does it answer? One cheap, authenticated request to what a resource names, and what the answer says."""
