"""The second decoder, for records: their form, their place, and who signed them (events.md, lineage.md §3.1).

Written from the text of spec/ alone; it shares no code with the product. A log is a list of records for each
stream; whatever a state is asked for is folded anew from its first records, since histories here are short.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.support.vectors.folds import fold_devices, fold_vault
from tests.support.vectors.notation import (
    EVENTS,
    demand,
    demand_point,
    encode_json,
    parse_identifier,
    parse_json,
    refusing,
    verify_schema,
)

Log = Mapping[str, list[dict[str, Any]]]
FORMS = {event["schema"]["properties"]["type"]["const"]: event["schema"] for event in EVENTS}
MAX_RECORD = 65_535  # bytes, conventions.md §5
EMPTY = {"seq": 0, "digest": "0" * 64}


def parse_record(record: str) -> dict[str, Any]:
    """Read a record. events.md §1"""
    document = read_record(record)
    said = document["data"] if "statement" in document["data"] else None
    return {
        "head": document["head"],
        "leaf_hash": hashlib.sha256(b"\0" + record.encode()).hexdigest(),
        "statement": said and hashlib.sha256(encode_json(said)).hexdigest(),
    }


def read_record(record: str) -> dict[str, Any]:
    """Read a record's members, and its head. events.md §1, §3"""
    raw = record.encode()
    with refusing("malformed", "json"):
        demand(len(raw) <= MAX_RECORD)
        document = parse_json(raw, canonical=True)
    with refusing("schema_violation", "schema"):
        verify_schema(document, FORMS[document["type"]])
        demand(document["id"] == f"{document['subject']}:{document['stream']}:{document['seq']}")
        verify_members(document)
        said = document["data"].get("statement")
        if said:
            place = document["subject"], document["seq"], document["prev"]
            demand((said["account"], said["seq"], said["prev"]) == place)
    return {**document, "head": {"seq": document["seq"], "digest": hashlib.sha256(raw).hexdigest()}}


def verify_members(value: Any, name: str = "") -> None:
    """Hold moments and public keys to what no pattern says. conventions.md §2"""
    if isinstance(value, dict):
        for member, inner in value.items():
            verify_members(inner, member)
    elif isinstance(value, list):
        for inner in value:
            verify_members(inner, name)
    elif re.search("_key$", name):
        demand_point(bytes.fromhex(value))
    elif isinstance(value, str) and re.fullmatch("[0-9-]{10}T[0-9:.]{12}Z", value):
        parse_identifier("timestamp", value)


def verify_place(log: list[dict[str, Any]], record: dict[str, Any], account: str) -> None:
    """Verify that a record continues its stream. events.md §5.1"""
    demand(record["subject"] == account, "chain_broken", "place")
    demand(record["seq"] > len(log), "chain_broken", "place")
    demand(record["seq"] == len(log) + 1, "sequence_gap", "place")
    demand(record["prev"] == read_head(log, len(log))["digest"], "chain_fork", "place")
    if is_said(record):
        seen: dict[str, Any] = {}
        for before in filter(is_said, log):
            seen |= before["data"]["statement"]["heads"]
        for stream, then in seen.items():
            now = claim(record, stream)
            demand(now["seq"] > then["seq"] or now == then, "chain_fork", "place")


def verify_heads(log: Log, record: dict[str, Any], *streams: str) -> None:
    """Verify that what its author claims to have seen was followed. events.md §5.2, lineage.md §1"""
    for stream in streams:
        head = claim(record, stream)
        demand(head["seq"] <= len(log[stream]), "sequence_gap", "heads")
        if stream == "devices":
            demand(head == read_head(log[stream], head["seq"]), "chain_fork", "heads")


def verify_signers(log: Log, record: dict[str, Any]) -> None:
    """Verify that those have signed whom the type names. devices.md §2, vault.md §2, lineage.md §3.1"""
    said = record["data"]["statement"]
    inside = record["stream"] == "devices"
    devices = fold_devices(log["devices"] if inside else log["devices"][: claim(record, "devices")["seq"]])
    keys = find_account_keys(devices, said["body"]) if inside else {"account": devices.keys[-1:]}
    device = find_device_key(devices, said) if inside else devices.trusted_key(said["device"])
    demand(device, "untrusted_device", "signers")
    keys["device"] = [device]
    if "commit" in record["data"]["signatures"]:
        known = fold_vault(log["vault"]).commit_keys.get(said["body"]["epoch"])
        demand("commit_key" in said["body"] or known, "transition_refused", "transition")
        keys["commit"] = [said["body"].get("commit_key", known)]
    message = b"solekey/statement/v1\0" + encode_json(said)
    with refusing("signature_invalid", "signers"):
        for signer, signature in record["data"]["signatures"].items():
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(keys[signer][-1]))
            key.verify(bytes.fromhex(signature), message)


def find_device_key(devices: Any, said: dict[str, Any]) -> str | None:
    """Find the key of the device that speaks inside devices; None: it may not. devices.md §2"""
    certificate = said["body"].get("certificate")
    if certificate and certificate["device"] == said["device"]:
        return str(certificate["device_key"])
    if said["type"] == "solekey.devices.device_enrolled.v1":
        return None
    return devices.trusted_key(said["device"])  # type: ignore[no-any-return] # both are from here


def find_account_keys(devices: Any, body: dict[str, Any]) -> dict[str, list[str]]:
    """Find the account keys that sign inside devices. devices.md §2"""
    own = body.get("previous_account_key") or body.get("account_key")
    return {"account": [own] if own else devices.keys[-1:], "next_account": [body.get("account_key")]}


def is_said(record: dict[str, Any]) -> bool:
    """Tell a client's statement from a service's fact. events.md §1"""
    return "statement" in record["data"]


def claim(record: dict[str, Any], stream: str) -> dict[str, Any]:
    """Return what an author claims to have seen of a stream; what is not claimed counts as empty."""
    found: dict[str, Any] = record["data"]["statement"]["heads"].get(stream, EMPTY)
    return found


def read_head(log: list[dict[str, Any]], seq: int) -> dict[str, Any]:
    """Return the head that a stream had at a place."""
    head: dict[str, Any] = log[seq - 1]["head"] if seq else EMPTY
    return head
