"""Accounts as their users know them: registered, logged in to, given another login key, closed."""
