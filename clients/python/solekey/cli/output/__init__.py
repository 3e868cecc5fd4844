"""What the commands say: lines, tables, progress, and texts that others chose."""
