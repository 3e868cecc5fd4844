"""Everything that is tested, and what tests share (tests/README.md is the map)."""
