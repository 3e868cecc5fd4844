"""Rate limits: how often something may be tried, and how long the next attempt waits after that."""
