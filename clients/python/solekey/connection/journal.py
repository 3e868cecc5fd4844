"""What the log says of a request: its service, the template of its path, status and time; never more.

Everything is logged below the logger ``solekey``: INFO for what takes time or changes keys, DEBUG for each
request. No message holds a key, a token, a name, a query, or a word that the server chose.
"""

import logging
import re
from typing import Final

_WORD: Final = re.compile(r"[a-z]{1,12}([-.][a-z]{1,12}){0,3}|v1", re.ASCII)

logging.getLogger("solekey").addHandler(logging.NullHandler())  # without one, warnings go to stderr


def make_template(path: str) -> str:
    """Make the template of a path, such as ``/v1/auth/sessions/{}``: ids and digests are left out."""
    return "/".join(part if not part or _WORD.fullmatch(part) else "{}" for part in path.split("/"))
