"""The event schemas that a bundle carries, so that nobody needs this program. Spec: audit-bundle.md §3."""

import json
from functools import cache
from importlib.resources import files


@cache
def encode_schemas() -> bytes:
    """Encode the schemas of this release. *Wire format*: JSON ``{file's name: its content}``."""
    folder = files("solekey_protocol").joinpath("schemas")
    schemas = [each for each in folder.iterdir() if each.name.endswith(".json")]
    content = {each.name: json.loads(each.read_bytes()) for each in schemas}
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
