"""Login credentials: who has which name, and what their login key signs."""
