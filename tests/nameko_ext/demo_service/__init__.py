"""Two small services in one process, for tests of what carries the real ones. Run as nameko_ext.demo_service."""
