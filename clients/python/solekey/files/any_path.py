"""What a caller may give where a file or folder is meant."""

import os

AnyPath = str | os.PathLike[str]
"""A path in any of Python's forms."""
