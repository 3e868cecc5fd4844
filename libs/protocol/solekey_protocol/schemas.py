"""The closed JSON Schemas of every event: the allow-list of promise P5. Spec: events.md §3.

They are derived from the dataclasses that ``parse_event`` and ``encode_event`` enforce in every service, once
in each direction; tests hold the two against each other with mutants. They are JSON Schema 2020-12, so that
an auditor needs none of our code to enforce them.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema

from solekey_protocol.encoding import parse_json
from solekey_protocol.errors import SchemaError
from solekey_protocol.events import BODIES
from solekey_protocol.limits import MAX_EVENT_BYTES


def load_schema(event_type: str) -> dict[str, Any]:
    """Load the released schema of an event type.

    Raises:
        SchemaError: there is no such type.
    """
    if event_type not in BODIES:
        raise SchemaError(f"unknown event type {event_type[:80]!r}")
    name = event_type.split(".", 2)[2]
    text = files("solekey_protocol").joinpath("schemas", f"{name}.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)["schema"]
    return schema


def verify_schema(raw: bytes) -> bytes:
    """Verify that a record stays inside the allow-list, and return it.

    Raises:
        SchemaError: a member outside the schema; the message names the place.
        MalformedError: not canonical JSON.
    """
    document = parse_json(raw, max_bytes=MAX_EVENT_BYTES)
    if not isinstance(document, dict):
        raise SchemaError("event: expected an object")
    validator = _validator(str(document.get("type")))
    error = jsonschema.exceptions.best_match(validator.iter_errors(document))
    if error is not None:
        raise SchemaError(f"event{error.json_path[1:]}: {error.message[:200]}")
    return raw


@cache
def _validator(event_type: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(load_schema(event_type))
