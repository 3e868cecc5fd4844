"""spec/asyncapi.yaml says what is on the bus: topics, their settings, event types, and who follows whom."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from solekey_eventlog.bus.topics import derive_topics
from solekey_protocol.events import BODIES, Stream
from solekey_protocol.heartbeat import Heartbeat, encode_heartbeat
from solekey_protocol.ids import Timestamp
from solekey_protocol.schemas import load_schema
from solekey_protocol.services import HEARTBEAT_TOPIC, Service
from tests.docs.spec.documents import ASYNCAPI, SERVICES, SPEC, find, load, references, root, validator
from tests.support.definitions import DEFINITIONS

HEARTBEAT = Heartbeat(Service.AUTH, Timestamp.from_datetime(datetime(2026, 11, 23, tzinfo=UTC)), {0: 7, 5: 0})


def _closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _map(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": of, "minProperties": 1}


_TEXT = {"type": "string", "minLength": 1}
_REFERENCE = _closed({"$ref": _TEXT}, "$ref")
_SCHEMA = {"$ref": "https://json-schema.org/draft/2020-12/schema"}
_MESSAGE = {
    "name": _TEXT,
    "title": _TEXT,
    "summary": _TEXT,
    "contentType": _TEXT,
    "payload": _closed({"schemaFormat": _TEXT, "schema": _SCHEMA}, "schemaFormat", "schema"),
    "traits": {"type": "array", "items": _REFERENCE},
    "bindings": _closed({"kafka": _closed({"key": _SCHEMA, "bindingVersion": _TEXT})}),
}
_CHANNEL_BINDING = _closed(
    {
        "partitions": {"type": "integer", "minimum": 1},
        "replicas": {"type": "integer", "minimum": 1},
        "topicConfiguration": _map({}),
        "bindingVersion": _TEXT,
    }
)
SHAPE = _closed(
    {
        "asyncapi": {"const": "3.0.0"},
        "info": _closed(
            {
                "title": _TEXT,
                "version": _TEXT,
                "description": _TEXT,
                "license": _closed({"name": _TEXT, "url": _TEXT}, "name"),
            },
            *("title", "version"),
        ),
        "defaultContentType": _TEXT,
        "channels": _map(
            _closed(
                {
                    "address": _TEXT,
                    "summary": _TEXT,
                    "messages": _map(_REFERENCE),
                    "bindings": _closed({"kafka": _CHANNEL_BINDING}),
                },
                *("address", "messages"),
            )
        ),
        "operations": _map(
            _closed(
                {"action": {"enum": ["send", "receive"]}, "channel": _REFERENCE, "summary": _TEXT},
                *("action", "channel"),
            )
        ),
        "components": _closed(
            {
                "schemas": _map(_SCHEMA),
                "messages": _map(_closed(_MESSAGE, "name", "payload")),
                "messageTraits": _map(
                    _closed({name: _MESSAGE[name] for name in ("contentType", "bindings")})
                ),
            }
        ),
    },
    *("asyncapi", "info"),
)


def test_document_has_the_structure_of_asyncapi() -> None:
    document = load(ASYNCAPI)
    shape = Draft202012Validator(SHAPE)
    assert [f"{error.json_path}: {error.message}" for error in shape.iter_errors(document)] == []
    assert not shape.is_valid({**document, "chanels": {}})


def test_every_reference_resolves_inside_the_specification() -> None:
    for reference in references(load(ASYNCAPI)):
        assert find(ASYNCAPI, reference).file.is_relative_to(SPEC)


def test_channels_are_the_topics_with_their_settings() -> None:
    said = {}
    for channel in root(ASYNCAPI)["channels"].values():
        kafka = channel["bindings"]["kafka"].value
        configuration = kafka["topicConfiguration"]
        said[channel.value["address"]] = (
            kafka["partitions"],
            kafka["replicas"],
            configuration["retention.ms"],
            configuration["cleanup.policy"],
        )
    assert said == {
        topic.name: (topic.partitions, topic.replication_factor, topic.retention_ms, [topic.cleanup_policy])
        for topic in derive_topics()
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_channel_carries_the_event_types_of_its_stream(service: str) -> None:
    channel = root(ASYNCAPI)["channels"][service]
    said = {message.value["name"]: message["payload"]["schema"] for message in channel["messages"].values()}
    assert said.keys() == {name for name, body in BODIES.items() if body.STREAM is Stream(service)}
    for event_type, schema in said.items():
        assert schema.value == load_schema(event_type)


def test_messages_are_the_catalogue_and_the_heartbeat() -> None:
    names = [message.value["name"] for message in root(ASYNCAPI)["components"]["messages"].values()]
    assert sorted(names) == sorted([*BODIES, "heartbeat"])


def test_real_heartbeats_are_as_described() -> None:
    heartbeat = validator(ASYNCAPI, "/components/schemas/Heartbeat")
    real = json.loads(encode_heartbeat(HEARTBEAT))
    heartbeat.validate(real)
    assert not heartbeat.is_valid({**real, "load": 1})
    assert not heartbeat.is_valid({**real, "positions": {"one": 1}})


def test_operations_are_who_publishes_and_who_follows() -> None:
    channels = root(ASYNCAPI)["channels"]
    said = set()
    for name, operation in root(ASYNCAPI)["operations"].items():
        address = channels[operation.value["channel"]["$ref"].rpartition("/")[2]].value["address"]
        said.add((name.partition(".")[0], operation.value["action"], address))
    expected = set()
    for definition in DEFINITIONS:
        own = definition.service.value
        expected |= {(own, "send", f"solekey.{own}.v1"), (own, "send", HEARTBEAT_TOPIC)}
        expected |= {(own, "receive", f"solekey.{followed}.v1") for followed in definition.follows}
        expected.add((own, "receive", HEARTBEAT_TOPIC))
    assert said == expected
