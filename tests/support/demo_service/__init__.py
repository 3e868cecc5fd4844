"""Two small services in one process, for tests of what carries the real ones."""
