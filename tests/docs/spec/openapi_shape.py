"""The structure of an OpenAPI 3.1.0 document, as far as ours use it, closed. OpenAPI Specification §4.8."""

from typing import Any

from tests.docs.spec.documents import METHODS

_TEXT = {"type": "string", "minLength": 1}
_COMPONENT = "^[a-zA-Z0-9._-]+$"
ACCESS = ("public", "proof_if_given", "proof", "session", "stepped_up", "trusted")


def _closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _map(of: dict[str, Any], keys: str = ".") -> dict[str, Any]:
    return {
        "type": "object",
        "patternProperties": {keys: of},
        "additionalProperties": False,
        "minProperties": 1,
    }


def _def(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _or_reference(name: str) -> dict[str, Any]:
    """A Reference Object has $ref alone: OpenAPI lets summary and description stand beside it, we do not."""
    return {"if": {"required": ["$ref"]}, "then": _def("reference"), "else": _def(name)}


_NO_SCOPES = {"type": "array", "maxItems": 0}
_OPERATION = _closed(
    {
        "operationId": {"type": "string", "pattern": "^[a-z_]+$"},
        "summary": {"type": "string", "pattern": r"\.$"},
        "description": _TEXT,
        "security": {"type": "array", "items": {"anyOf": [_map(_NO_SCOPES), {"const": {}}]}},
        "parameters": {"type": "array", "items": _or_reference("parameter"), "minItems": 1},
        "requestBody": _or_reference("request_body"),
        "responses": _map(_or_reference("response"), "^[1-5][0-9][0-9]$"),
        "x-access": {"enum": list(ACCESS)},
        "x-max-body-bytes": {"type": "integer", "minimum": 1},
    },
    *("operationId", "summary", "security", "responses", "x-access", "x-max-body-bytes"),
)

SHAPE: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **_closed(
        {
            "openapi": {"const": "3.1.0"},
            "info": _def("info"),
            "paths": _map(_def("path_item"), "^/v1/"),
            "components": _def("components"),
        },
        *("openapi", "info"),
    ),
    "anyOf": [{"required": ["paths"]}, {"required": ["components"]}],
    "$defs": {
        "reference": _closed({"$ref": {"type": "string", "format": "uri-reference"}}, "$ref"),
        "info": _closed(
            {
                "title": _TEXT,
                "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
                "summary": _TEXT,
                "description": _TEXT,
                "license": _closed({"name": _TEXT, "identifier": _TEXT}, "name"),
            },
            *("title", "version"),
        ),
        "path_item": _closed(dict.fromkeys(METHODS, _OPERATION)),
        "parameter": _closed(
            {
                "name": _TEXT,
                "in": {"enum": ["query", "header", "path", "cookie"]},
                "required": {"type": "boolean"},
                "description": _TEXT,
                "schema": _def("schema"),
                "example": True,
            },
            *("name", "in", "schema"),
        )
        | {
            "if": {"properties": {"in": {"const": "path"}}},
            "then": {"properties": {"required": {"const": True}}, "required": ["required"]},
        },
        "header": _closed(
            {
                "required": {"type": "boolean"},
                "description": _TEXT,
                "schema": _def("schema"),
                "example": True,
            },
            "schema",
        ),
        "request_body": _closed(
            {"required": {"const": True}, "content": _def("content")}, "required", "content"
        ),
        "response": _closed(
            {
                "description": _TEXT,
                "headers": _map(_or_reference("header")),
                "content": _def("content"),
            },
            "description",
        ),
        "content": _map(
            _closed({"schema": _def("schema"), "x-line-schema": _def("schema")}, "schema"),
            "^[a-z]+/[a-z0-9.+-]+$",
        ),
        "security_scheme": {
            "oneOf": [
                _closed({"type": {"const": "http"}, "scheme": _TEXT, "description": _TEXT}, "type", "scheme"),
                _closed(
                    {
                        "type": {"const": "apiKey"},
                        "in": {"enum": ["query", "header", "cookie"]},
                        "name": _TEXT,
                        "description": _TEXT,
                    },
                    *("type", "in", "name"),
                ),
            ]
        },
        "components": _closed(
            {
                "schemas": _map(_def("schema"), _COMPONENT),
                "responses": _map(_or_reference("response"), _COMPONENT),
                "parameters": _map(_or_reference("parameter"), _COMPONENT),
                "headers": _map(_or_reference("header"), _COMPONENT),
                "securitySchemes": _map(_or_reference("security_scheme"), _COMPONENT),
            }
        ),
        "schema": {"$ref": "https://json-schema.org/draft/2020-12/schema"},
    },
}
