"""Values turned into what people and programs read; nothing here decides what changed."""
