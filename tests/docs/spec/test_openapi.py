"""spec/openapi says what the services do: routes, access, limits and refusals, compared with the code."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

from solekey_eventlog.errors import StalePositionError
from solekey_protocol import ids, limits
from solekey_protocol.events import BODIES, Stream
from solekey_protocol.statements import EMPTY_HEAD
from solekey_service import refusals
from solekey_service.http import problem_response
from solekey_service.http.problems import STATUS, problem_document
from solekey_service.stream_api import MAX_PAGE_EVENTS
from tests.docs.spec.documents import (
    COMMON,
    SERVICES,
    SPEC,
    Node,
    api_file,
    find,
    load,
    operations,
    parse_yaml,
    problem_codes,
    references,
    root,
    validator,
)
from tests.support.definitions import REFUSALS

DOCUMENTS = (COMMON, *map(api_file, SERVICES))
SECURITY: Mapping[str, list[dict[str, list[str]]]] = {
    "public": [],
    "proof": [{"dpop_proof": []}],
    "proof_if_given": [{}, {"dpop_proof": []}],
    "session": [{"access_token": [], "dpop_proof": []}],
    "stepped_up": [{"access_token": [], "dpop_proof": []}],
    "trusted": [{"access_token": [], "dpop_proof": []}],
}
_SESSION_CODES = {
    *("dpop_invalid", "token_invalid", "token_expired", "session_ended", "device_revoked"),
    *("not_yet_applied", "trust_stale", "account_parked"),
}
GUARD_CODES: Mapping[str, set[str]] = {
    "public": set(),
    "proof_if_given": {"dpop_invalid"},
    "proof": {"dpop_invalid"},
    "session": _SESSION_CODES,
    "stepped_up": _SESSION_CODES | {"step_up_required"},
    "trusted": _SESSION_CODES | {"device_not_trusted"},
}
CODES_OF_ALL = {
    "malformed",
    "request_timeout",
    "length_required",
    "too_large",
    "internal_error",
    "unavailable",
}
NOT_ANSWERED = {"unauthenticated", "conflict", "unprocessable", "unsupported_format", "method_not_allowed"}
"""General forms of other codes, and what has no operation."""


@cache
def read_code() -> dict[str, Any]:
    program = Path(__file__).with_name("entry_points.py")
    done = subprocess.run(
        [sys.executable, str(program)], check=True, capture_output=True, text=True, timeout=60
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def entry_points(service: str) -> dict[tuple[str, str], dict[str, Any]]:
    found = {}
    for point in read_code()["services"][service]:
        path = re.sub(r"<(\w+)>", r"{\1}", point["url"])
        found[point["method"], path] = point
    return found


def documented(service: str) -> dict[tuple[str, str], Node]:
    return {(method, path): operation for method, path, operation in operations(service)}


def refusal_classes() -> Iterator[type[refusals.Refusal]]:
    for module in (refusals, *REFUSALS):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, refusals.Refusal) and hasattr(value, "code"):
                yield value


def statuses() -> dict[str, set[int]]:
    """Every code that the code can tell, with the status that it travels with."""
    found: dict[str, set[int]] = {}
    for refusal in (*refusal_classes(), *refusals.ANSWERS.values()):
        found.setdefault(refusal.code, set()).add(STATUS[refusal.kind])
    for code, status in read_code()["edge"].items():
        found.setdefault(code, set()).add(status)
    return {**found, "internal_error": {500}}


def answered_codes(operation: Node) -> set[str]:
    return {code for response in operation["responses"].values() for code in problem_codes(response)}


def find_faults(document: Any, path: Path) -> list[str]:
    """Hold a document to the published meta-schema of OpenAPI 3.1, its schemas to that of JSON Schema."""
    faults = OpenAPIV31SpecValidator(document, base_uri=path.as_uri()).iter_errors()
    return [f"{error.json_path}: {error.message}" for error in faults]


# Structure


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_document_has_the_structure_of_openapi(path: Path) -> None:
    assert find_faults(load(path), path) == []


def test_structure_refuses_what_is_misspelt() -> None:
    document = json.loads(json.dumps(load(api_file("devices"))))
    operation = document["paths"]["/v1/devices/names"]["get"]
    operation["response"] = operation.pop("responses")
    assert find_faults(document, api_file("devices")) != []
    document = json.loads(json.dumps(load(COMMON)))
    document["components"]["schemas"]["Position"]["type"] = "integre"
    assert find_faults(document, COMMON) != []


def test_every_operation_says_in_a_sentence_what_it_does() -> None:
    for service in SERVICES:
        for operation in documented(service).values():
            assert re.fullmatch("[a-z_]+", operation["operationId"].value)
            assert operation["summary"].value.endswith(".")


def test_yaml_refuses_a_key_that_stands_twice() -> None:
    with pytest.raises(yaml.YAMLError, match="stands twice"):
        parse_yaml("get: 1\nget: 2\n")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_every_reference_resolves_inside_the_specification(path: Path) -> None:
    found = list(references(load(path)))
    assert found
    for reference in found:
        assert find(path, reference).file.is_relative_to(SPEC)


def test_a_reference_to_nothing_does_not_resolve() -> None:
    with pytest.raises(KeyError):
        find(COMMON, "#/components/schemas/Absent")
    with pytest.raises(OSError, match="absent"):
        find(COMMON, "absent.yaml#/components")


def test_every_shared_part_is_used() -> None:
    used = {reference.partition("#")[2] for path in DOCUMENTS for reference in references(load(path))}
    used |= {reference.partition("#")[2] for reference in references(load(SPEC / "asyncapi.yaml"))}
    kinds = load(COMMON)["components"]
    assert {f"/components/{kind}/{name}" for kind, parts in kinds.items() for name in parts} - used == set()


@pytest.mark.parametrize("service", SERVICES)
def test_path_parameters_are_those_of_the_path(service: str) -> None:
    for (method, path), operation in documented(service).items():
        parameters = operation.get("parameters")
        count = 0 if parameters is None else len(parameters.value)
        named = [operation["parameters"][index].value for index in range(count)]
        in_path = {parameter["name"] for parameter in named if parameter["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path)), f"{method} {path}"


def open_objects(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, dict):
        if value.get("type") == "object" and "additionalProperties" not in value:
            yield where
        for key, member in value.items():
            yield from open_objects(member, f"{where}/{key}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from open_objects(member, f"{where}/{index}")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_every_object_is_closed(path: Path) -> None:
    assert list(open_objects(load(path), "")) == []
    assert list(open_objects({"a": {"type": "object"}}, "")) == ["/a"]


# Routes, access, limits


@pytest.mark.parametrize("service", SERVICES)
def test_operations_are_the_entry_points(service: str) -> None:
    assert entry_points(service)
    assert documented(service).keys() == entry_points(service).keys()


@pytest.mark.parametrize("service", SERVICES)
def test_operations_ask_and_read_what_the_entry_points_do(service: str) -> None:
    for place, point in entry_points(service).items():
        operation = documented(service)[place].value
        said = (operation["operationId"], operation["x-access"], operation["x-max-body-bytes"])
        assert said == (point["operation"], point["access"], point["max_body_bytes"]), place
        assert operation["security"] == SECURITY[point["access"]], place


@pytest.mark.parametrize("service", SERVICES)
def test_positions_are_awaited_where_there_is_a_session(service: str) -> None:
    after = {"$ref": "common.yaml#/components/parameters/SolekeyAfter"}
    for place, operation in documented(service).items():
        has_session = operation.value["x-access"] in ("session", "stepped_up", "trusted")
        assert (after in operation.value.get("parameters", ())) is has_session, place


@pytest.mark.parametrize("service", SERVICES)
def test_operations_with_a_body_are_those_that_post_or_put(service: str) -> None:
    for (method, path), operation in documented(service).items():
        assert ("requestBody" in operation.value) is (method in ("POST", "PUT")), path


def test_limits_in_the_schemas_are_the_named_maxima() -> None:
    vault = root(api_file("vault"))
    octets = {
        path: vault["paths"][path]["put"]["requestBody"]["content"]["application/octet-stream"][
            "schema"
        ].value
        for path in ("/v1/vault/wraps/{digest}", "/v1/vault/objects/{digest}")
    }
    schemas = vault["components"]["schemas"].value
    assert octets["/v1/vault/wraps/{digest}"]["maxLength"] == limits.MAX_WRAP_BYTES
    assert octets["/v1/vault/objects/{digest}"]["maxLength"] == limits.MAX_PART_BYTES
    assert schemas["WrapBytes"]["maxLength"] == limits.MAX_WRAP_BYTES
    assert schemas["ObjectBytes"]["maxLength"] == limits.MAX_PART_BYTES
    shared = root(COMMON)["components"]
    assert shared["parameters"]["Limit"]["schema"].value["maximum"] == MAX_PAGE_EVENTS
    assert shared["parameters"]["After"]["schema"].value["maximum"] == limits.MAX_SEQ
    assert shared["schemas"]["Position"].value["maximum"] == limits.MAX_SEQ
    text = api_file("vault").read_text(encoding="utf-8")
    counts = {int(found) for found in re.findall(r"maxItems: (\d+)", text)}
    assert counts == {limits.MAX_BATCH_OBJECTS, limits.MAX_STATED_LIMITS}


# Refusals


def test_the_codes_are_those_of_the_code() -> None:
    assert {"not_found", "login_refused", "name_refused", "wraps_differ", "storage_full"} <= statuses().keys()
    codes = root(COMMON)["components"]["schemas"]["Code"]["enum"].value
    assert codes == sorted(statuses())


@pytest.mark.parametrize("service", SERVICES)
def test_operations_tell_codes_with_their_status(service: str) -> None:
    for place, operation in documented(service).items():
        for status, response in operation["responses"].items():
            codes = problem_codes(response)
            assert bool(codes) is (int(status) >= 400), (place, status)
            assert all(statuses()[code] == {int(status)} for code in codes), (place, status)


@pytest.mark.parametrize("service", SERVICES)
def test_operations_tell_what_stands_before_the_service(service: str) -> None:
    for place, operation in documented(service).items():
        media = operation.value.get("requestBody", {}).get("content", {})
        expected = CODES_OF_ALL | GUARD_CODES[operation.value["x-access"]]
        if media and "application/octet-stream" not in media:
            expected = expected | {"unsupported_media_type"}
        else:
            assert "unsupported_media_type" not in answered_codes(operation)
        assert expected <= answered_codes(operation), place


def test_every_code_is_told_by_an_operation() -> None:
    told = {
        code for service in SERVICES for op in documented(service).values() for code in answered_codes(op)
    }
    assert statuses().keys() - told == NOT_ANSWERED


@pytest.mark.parametrize(("service", "module"), list(zip(SERVICES, REFUSALS, strict=True)))
def test_a_service_tells_its_own_refusals(service: str, module: Any) -> None:
    own = {refusal.code for refusal in refusal_classes() if refusal.__module__ == module.__name__}
    assert own <= {code for operation in documented(service).values() for code in answered_codes(operation)}


def test_real_problem_documents_are_as_described() -> None:
    problem = validator(COMMON, "/components/schemas/Problem")
    for refusal in refusal_classes():
        problem.validate(
            json.loads(problem_document(STATUS[refusal.kind], refusal.code, refusal.title, "why").body)
        )
    stale = json.loads(problem_response(StalePositionError(EMPTY_HEAD)).body)
    problem.validate(stale)
    problem.validate(json.loads(problem_document(413, "too_large", "x", extras={"max_bytes": 9}).body))
    assert not problem.is_valid({**stale, "secret": 1})
    assert not problem.is_valid({**stale, "code": "unheard_of"})


def test_further_members_of_problems_are_described() -> None:
    """What the code puts into ``extras`` by name."""
    described = root(COMMON)["components"]["schemas"]["Problem"]["properties"].value.keys()
    sources = [path for place in ("services", "libs") for path in (SPEC.parent / place).rglob("*.py")]
    named = {
        name
        for path in sources
        for members in re.findall(r"extras=\{(.*?)\}", path.read_text(encoding="utf-8"), re.DOTALL)
        for name in re.findall(r'"(\w+)":', members)
    }
    assert {"head", "max_bytes", "rotation", "phase", "missing", "size"} <= named
    assert named <= described


# Schemas


@pytest.mark.parametrize(
    "kind",
    [
        *("AccountId", "DeviceId", "ItemId", "RotationId", "SessionId"),
        *("Digest", "PublicKey", "SignatureHex", "KeyId", "Timestamp"),
    ],
)
def test_patterns_are_those_of_the_identifiers(kind: str) -> None:
    assert root(COMMON)["components"]["schemas"][kind].value["pattern"] == getattr(ids, kind).PATTERN


def event_example(event_type: str) -> Any:
    return load(SPEC / "events" / f"{event_type.split('.', 2)[2]}.json")["example"]


@pytest.mark.parametrize("service", SERVICES)
def test_events_are_those_of_the_stream(service: str) -> None:
    event = validator(api_file(service), "/components/schemas/Event")
    for event_type, body in BODIES.items():
        example = event_example(event_type)
        assert event.is_valid(example) is (body.STREAM is Stream(service)), event_type
        assert not event.is_valid({**example, "note": "x"}), event_type


@pytest.mark.parametrize("service", ["devices", "vault", "rotation"])
def test_statements_are_those_of_the_stream(service: str) -> None:
    request = validator(api_file(service), "/components/schemas/SignedStatement")
    answer = validator(api_file(service), "/components/schemas/SaidEvent")
    name = {"name": "Kitchen", "salt": "00" * 16}
    for event_type, body in BODIES.items():
        example = event_example(event_type)
        said = example["data"]
        is_named = event_type.endswith((".account_founded.v1", ".device_enrolled.v1"))
        belongs = bool(body.SIGNERS) and body.STREAM is Stream(service)
        assert request.is_valid({**said, "name": name} if is_named else said) is belongs, event_type
        assert not request.is_valid(said if is_named else {**said, "name": name}), event_type
        assert answer.is_valid(example) is belongs, event_type
