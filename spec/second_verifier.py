"""The second verifier: reads a log of Solekey, and says what in it breaks the specification.

Written from the text of this folder alone, so that it is not blind where the product is. It needs Python's
standard library and one Ed25519 verification, and shares no code with the product (audit.md §7).

    python spec/second_verifier.py LOG [PINS]

LOG holds the exact records, one a line; PINS is JSON, {account: {"first_key", "heads"}} (audit.md §1.2).
Exit code: 0 clean, 1 violations, 2 cannot tell.
"""

import base64
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ZEROS, SYSTEM = "0" * 64, "acc_" + "a" * 26
STREAMS: Final = ("auth", "devices", "vault", "rotation")
MAX_RECORD, MAX_LEVEL = 65_535, 12  # conventions.md §5
CLOCKS, REACH, HOUR, SESSION = (timedelta(seconds=s) for s in (60, 10, 3600, 43_201))  # audit.md §2
BEGAN, FOREVER = datetime(2026, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
P: Final = 2**255 - 19
ORDER_8: Final = (  # the y of its points; conventions.md §2 shows how they begin and end
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
)
SMALL_ORDER: Final = {0, 1, P - 1} | {int.from_bytes(bytes.fromhex(y), "little") for y in ORDER_8}
PUBLIC_KEYS: Final = ("device_key", "account_key", "previous_account_key", "commit_key", "public_key")
MOMENTS: Final = ("since", "expires_at", "not_before", "not_after", "time")
TYPES: Final = {"object": dict, "array": list, "string": str, "integer": int, "null": type(None)}
_ALL = [json.loads(file.read_bytes())["schema"] for file in Path(__file__).parent.glob("events/*.json")]
SCHEMAS: Final[dict[str, Any]] = {schema["properties"]["type"]["const"]: schema for schema in _ALL}


class Refused(Exception):  # noqa: N818 (the word of the specification)
    """What a verifier MUST reject: a code, and the stage at which it is (events.md §5)."""


def demand(holds: object, code: str = "transition_refused", stage: str = "transition") -> None:
    """Refuse unless it holds."""
    if not holds:
        raise Refused(code, stage)


@dataclass(frozen=True)
class Event:
    """A record that is inside its schema: its bytes, its place, and what it states."""

    digest: str
    account: str
    stream: str
    seq: int
    prev: str
    name: str
    time: datetime
    body: dict[str, Any]
    heads: dict[str, Any]
    statement: dict[str, Any] | None
    signatures: dict[str, str]
    device: str | None

    def claims(self, stream: str) -> int:
        """How much of another stream its author had seen; nothing where it is not claimed."""
        return int(self.heads.get(stream, {"seq": 0})["seq"])


def encode_json(value: Any) -> bytes:
    """Spell a value canonically: RFC 8785, as far as it occurs (members in ASCII, no floats)."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def parse_json(raw: bytes) -> Any:
    """Read canonical JSON. Raises: Refused, ValueError, RecursionError."""

    def read_members(members: list[tuple[str, Any]]) -> dict[str, Any]:
        demand(len(dict(members)) == len(members), "malformed", "json")
        return dict(members)

    def read_number(spelling: str) -> int:
        demand(abs(int(spelling)) < 2**53, "malformed", "json")  # nothing but an integer is one
        return int(spelling)

    def depth(value: Any) -> int:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return 1 + max(map(depth, inner), default=0)

    demand(len(raw) <= MAX_RECORD, "malformed", "json")
    numbers: dict[str, Any] = dict.fromkeys(("parse_int", "parse_float", "parse_constant"), read_number)
    value = json.loads(raw.decode(), object_pairs_hook=read_members, **numbers)
    demand(depth(value) <= MAX_LEVEL and encode_json(value) == raw, "malformed", "json")
    return value


WORDS: Final[dict[str, Callable[[Any, Any, Any], bool]]] = {
    "type": lambda a, v, _: isinstance(v, TYPES[a]) and not isinstance(v, bool),
    "const": lambda a, v, _: type(v) is type(a) and v == a,
    "enum": lambda a, v, _: any(type(v) is type(each) and v == each for each in a),
    "pattern": lambda a, v, _: isinstance(v, str) and re.fullmatch(a, v, re.ASCII) is not None,
    "maxLength": lambda a, v, _: len(v) <= a,
    "minimum": lambda a, v, _: v >= a,
    "maximum": lambda a, v, _: v <= a,
    "minItems": lambda a, v, _: len(v) >= a,
    "maxItems": lambda a, v, _: len(v) <= a,
    "items": lambda a, v, _: all(check_schema(a, each) for each in v),
    "anyOf": lambda a, v, _: any(check_schema(each, v) for each in a),
    "required": lambda a, v, _: all(each in v for each in a),
    "properties": lambda a, v, _: all(check_schema(a[key], v[key]) for key in a if key in v),
    "additionalProperties": lambda a, v, s: a is False and not set(v) - set(s["properties"]),
    **dict.fromkeys(("$schema", "title", "description"), lambda *_: True),
}
"""The keywords of JSON Schema that events/ uses; ``type`` stands first wherever others need it."""


def check_schema(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether a value is inside a schema. Raises: KeyError on a keyword that is not known here."""
    words = [(WORDS[word], argument) for word, argument in schema.items()]
    return all(holds(argument, value, schema) for holds, argument in words)


def check_values(value: Any) -> bool:
    """Whether all public keys and moments are some (conventions.md §2). Raises: ValueError."""
    if not isinstance(value, dict):
        return not isinstance(value, list) or all(map(check_values, value))
    for key, inner in value.items():
        y = int.from_bytes(bytes.fromhex(inner), "little") % 2**255 if key in PUBLIC_KEYS else 2
        if key in MOMENTS:
            datetime.fromisoformat(inner)
        if y >= P or y in SMALL_ORDER or not check_values(inner):
            return False
    return True


def parse_record(raw: bytes) -> Event:
    """Read a record. Raises: Refused."""
    try:
        v = parse_json(raw)
    except (ValueError, RecursionError):
        raise Refused("malformed", "json") from None
    wrong = "schema_violation", "schema"
    kind = v.get("type") if isinstance(v, dict) else None
    schema = SCHEMAS.get(kind) if isinstance(kind, str) else None
    demand(schema is not None and check_schema(schema, v), *wrong)
    place = v["subject"], v["stream"], v["seq"]
    statement = v["data"].get("statement")
    s = statement or {"account": place[0], "stream": place[1], "heads": {}, "device": None} | v | v["data"]
    demand((s["account"], s["stream"], s["seq"], s["prev"]) == (*place, v["prev"]), *wrong)
    try:
        demand(v["id"] == ":".join(map(str, place)) and check_values(v), *wrong)
        time = datetime.fromisoformat(v["time"])
    except ValueError:
        raise Refused(*wrong) from None
    signed = statement, v["data"].get("signatures", {}), s["device"]
    digest, name = hashlib.sha256(raw).hexdigest(), v["type"].split(".")[2]
    return Event(digest, *place, v["prev"], name, time, s["body"], s["heads"], *signed)


@dataclass(frozen=True)
class State:
    """What a stream amounts to at one head: its single values, and what is known by id, place or epoch."""

    facts: dict[str, Any] = field(default_factory=dict)
    table: dict[Any, Any] = field(default_factory=dict)  # devices, wraps, rotations, sessions
    more: dict[Any, Any] = field(default_factory=dict)  # decisions by rotation, commit keys by epoch
    keys: set[str] = field(default_factory=set)  # user keys and their ids, of now and before
    marks: set[Any] = field(default_factory=set)  # abandoned ids, snapshots, withdrawn keys


def follow_devices(s: State, e: Event) -> None:
    """Take a step of ``devices`` (devices.md §2)."""
    b, name = e.body, e.name
    cert = b.get("certificate", {})
    device = cert.get("device", b.get("device"))
    status, known = s.table.get(device, ("", None))
    demand((name == "account_founded") == (not s.facts))
    if name in ("account_founded", "device_enrolled"):
        raw = hashlib.sha256(b"solekey/v1/device-id\0" + bytes.fromhex(cert["device_key"])).digest()[:16]
        demand(device == "dev_" + base64.b32encode(raw).decode().rstrip("=").lower() and not status)
        demand(sum(other != "revoked" for other, _ in s.table.values()) < 64)
        demand(cert["name_commitment"] not in {other["name_commitment"] for _, other in s.table.values()})
        s.table[device] = "trusted" if name == "account_founded" else "pending", cert
    if name == "device_trusted":
        demand(b["account_key"] == s.facts["key"] and (status, known) == ("pending", cert))
        s.table[device] = "trusted", cert
    if name == "device_revoked":
        demand(status in ("pending", "trusted") and device != e.device)
        s.table[device] = "revoked", known
    if name in ("account_key_changed", "key_change_abandoned"):
        demand(b["rotation"] not in s.more and b["key_id"] not in s.keys)
        s.more[b["rotation"]] = "taken" if name == "account_key_changed" else "abandoned"
    s.marks.update({b["key_id"]} if name == "key_change_abandoned" else ())
    if name == "account_key_changed":
        demand(b["previous_account_key"] == s.facts["key"] and b["account_key"] not in s.keys)
        trusted = {key: known for key, (status, known) in s.table.items() if status == "trusted"}
        demand(b["key_id"] not in s.marks and len(b["certificates"]) == len(trusted))
        demand({each["device"]: each for each in b["certificates"]} == trusted)
    if name in ("account_founded", "account_key_changed"):
        s.facts.update(key=b["account_key"], key_id=b["key_id"])
        s.keys.update((b["account_key"], b["key_id"]))


def follow_vault(s: State, e: Event) -> None:
    """Take a step of ``vault`` (vault.md §2)."""
    b, newest, commit = e.body, s.facts.get("epoch", 0), s.facts.get("commit", 0)
    place = b.get("secret"), b.get("epoch"), b.get("wrap_version")
    if e.name == "key_wrapped":
        demand(b["epoch"] <= newest + 1)
        demand(b["wrap_version"] == sum(known[:2] == place[:2] for known in s.table) + 1)
        demand(s.more.setdefault(b["epoch"], b["commit_key"]) == b["commit_key"])
        s.table[place] = b | {"live": True}
        s.facts["epoch"] = max(newest, b["epoch"])
    if e.name == "wrap_retired":
        wrap = s.table.get(place, {"live": False})
        demand(wrap["live"] and wrap["wrap"] == b["wrap"])
        demand(b["epoch"] < newest or sum(w["live"] and w["epoch"] == newest for w in s.table.values()) > 1)
        s.table[place] = wrap | {"live": False}
    if e.name == "items_committed":
        demand(b["commit"] == commit + 1 and b["epoch"] == newest)
        s.facts["commit"] = b["commit"]
        s.marks.update({(b["epoch"], e.seq)} if b["kind"] == "snapshot" else ())
    if e.name == "objects_purged":
        demand(s.facts.get("purged", 0) <= b["through_commit"] <= commit)
        s.facts["purged"] = b["through_commit"]


PHASES: Final = {
    "rotation_verified": (("staged",), "verified"),
    "rotation_committed": (("verified",), "committed"),
    "rotation_completed": (("committed",), "completed"),
    "rotation_aborted": (("staged", "verified"), "aborted"),
}


def follow_rotation(s: State, e: Event) -> None:
    """Take a step of ``rotation`` (rotation.md §2)."""
    b = e.body
    if e.name == "rotation_started":
        demand(not s.facts.get("open") and b["rotation"] not in s.table)
        same, epochs = b["from_key_id"] == b["to_key_id"], b["to_epoch"] - b["from_epoch"]
        is_user = b["kind"] == "user_key"
        demand((same, epochs) == ((False, 0) if is_user else (True, 1)))
        demand(not is_user or b["to_key_id"] not in s.keys)
        s.keys.update((b["from_key_id"], b["to_key_id"]))
        s.table[b["rotation"]] = b | {"phase": "staged", "number": len(s.table)}
        s.facts["open"] = b["rotation"]
    if e.name in PHASES:
        before, after = PHASES[e.name]
        demand(s.facts.get("open") == b["rotation"] and s.table[b["rotation"]]["phase"] in before)
        saga, left = s.table[b["rotation"]], b.get("left_epochs", [])
        demand(left == sorted(set(left)) and all(epoch < saga["to_epoch"] for epoch in left))
        demand(not left or saga["kind"] == "data_key")
        s.table[b["rotation"]] = saga | b | {"phase": after, f"{after}_vault": e.claims("vault")}
        s.facts["open"] = None if after in ("completed", "aborted") else b["rotation"]


def follow_auth(s: State, e: Event) -> None:
    """Take a step of ``auth`` (tokens.md §6.1)."""
    session, generation = e.body.get("session"), s.table.get(e.body.get("session"), 0)
    demand(not s.facts.get("closed") and (e.name != "session_opened" or session not in s.table))
    demand(e.name not in ("session_refreshed", "session_stepped_up", "refresh_reuse_detected") or generation)
    demand(e.name != "refresh_reuse_detected" or e.body["generation"] <= generation)
    demand(e.name != "session_refreshed" or e.body["generation"] == generation + 1)
    demand(e.name != "signing_key_published" or e.body["key_id"] not in s.marks)
    if e.name in ("session_opened", "session_refreshed", "session_ended"):
        s.table[session] = 0 if e.name == "session_ended" else generation + 1
    s.marks.update({e.body["key_id"]} if e.name == "signing_key_withdrawn" else ())
    s.facts["closed"] = e.name == "account_closed"


FOLLOW: Final = dict(zip(STREAMS, (follow_auth, follow_devices, follow_vault, follow_rotation), strict=True))


def check_lineage(e: Event, d: State, v: State, r: State, vaults: list[State]) -> None:  # noqa: C901 (a table)
    """Check a statement against what its author had seen of the other streams (lineage.md §3.2 to §3.4)."""
    b = e.body
    live = [wrap for wrap in v.table.values() if wrap["live"]]
    epochs = {wrap["epoch"] for wrap in live}
    saga = r.table.get(b.get("rotation"), {})
    opened = r.table.get(r.facts.get("open"), {})
    key_id, epoch = d.facts.get("key_id"), v.facts.get("epoch", 0)
    is_user, is_open = saga.get("kind") == "user_key", saga and saga is opened
    decision, to_key, to_epoch = d.more.get(b.get("rotation")), saga.get("to_key_id"), saga.get("to_epoch", 0)
    new_key = to_key if is_user else key_id
    new = [w for w in live if w["key_id"] == new_key and (is_user or w["epoch"] == to_epoch)]
    all_new = new and epochs == {w["epoch"] for w in new}  # there is one kind of secret
    own_epoch = new and v.table.get(("data_key", to_epoch, 1), {}).get("rotation") == b.get("rotation")
    digests = b"".join(sorted(bytes.fromhex(wrap["wrap"]) for wrap in new))
    read_back = len(new), hashlib.sha256(digests).hexdigest()

    def need(holds: object, code: str = "rotation_incomplete") -> None:
        demand(holds, code, "lineage")

    match e.name:
        case "rotation_started":
            need((b["from_key_id"], b["from_epoch"]) == (key_id, epoch), "stale_heads")
            need(b["kind"] == "data_key" or b["to_key_id"] not in d.keys | d.marks, "key_not_current")
        case "rotation_verified" if saga:
            need(all_new if is_user else own_epoch)
            need(read_back == (b["count"], b["wraps"]), "wraps_differ")
        case "account_key_changed":
            need(is_open and is_user and saga["phase"] == "verified" and to_key == b["key_id"] and all_new)
            need(read_back == (saga["count"], saga["wraps"]), "wraps_differ")
            need(saga["from_key_id"] == key_id, "stale_heads")
        case "key_change_abandoned":
            need(is_open and is_user and to_key == b["key_id"])
        case "key_wrapped":
            kind, current = opened.get("kind"), b["key_id"] == key_id
            leads = kind == "user_key" and b["key_id"] == opened["to_key_id"]
            need(current or (leads and d.more.get(opened["rotation"]) != "abandoned"), "key_not_current")
            need(current if b["rotation"] is None else is_open, "key_not_current")
            rekey = is_open and kind == "data_key" and saga["phase"] == "staged" and to_epoch == b["epoch"]
            need(b["epoch"] <= epoch or (current and (b["epoch"] == 1 or rekey)), "key_not_current")
        case "wrap_retired":
            place = b["secret"], b["epoch"], b["wrap_version"]
            need(place not in v.table or may_retire(place, d, v, r, vaults), "wrap_in_use")
        case "rotation_committed" if saga:
            snapshot = any(of == to_epoch for of, _ in v.marks)
            need(decision == "taken" if is_user else own_epoch and snapshot and epochs >= {*b["left_epochs"]})
        case "items_committed" if b["kind"] == "rekey":
            began = r.table.get(v.table.get(("data_key", b["epoch"], 1), {}).get("rotation"), {})
            need(began.get("phase") == "verified" or epochs & set(began.get("left_epochs", ())))
        case "rotation_completed" if saga:
            old = epochs - {*range(to_epoch, epoch + 1), *saga.get("left_epochs", ())}
            need(len(new) == len(live) if is_user else not old)
        case "rotation_aborted" if is_user:
            need(decision != "taken", "rotation_irrevocable")
            need(decision == "abandoned" and not new)


def may_retire(place: tuple[Any, ...], d: State, v: State, r: State, vaults: list[State]) -> bool:
    """Whether one of the three reasons to retire a wrap is there (lineage.md §3.4)."""
    wrap, key_id, epoch = v.table[place], d.facts.get("key_id"), place[1]

    def is_shown(other: tuple[Any, ...]) -> bool:
        rotation = v.table[other]["rotation"]
        vault = vaults[r.table.get(rotation, {}).get("verified_vault", 0)]
        return bool(vault.table.get(other, {"live": False})["live"] if rotation else other[2] > 1)

    same = [p for p, w in v.table.items() if w["live"] and p != place and p[:2] == place[:2]]
    proven = any(v.table[p]["key_id"] == key_id and is_shown(p) for p in same)
    sagas = [s for s in r.table.values() if s["kind"] == "data_key" and s["to_epoch"] > epoch]
    past = [saga for saga in sagas if saga["phase"] in ("committed", "completed")]
    newest = max(past, key=lambda saga: int(saga["number"]), default=None)
    followed = newest and any(seq > newest["committed_vault"] for _, seq in v.marks)
    replaced = wrap["key_id"] in d.keys and wrap["key_id"] != key_id
    moved = newest and (epoch not in newest["left_epochs"] or followed)
    return bool(wrap["key_id"] in d.marks or (replaced and proven) or moved)


class Account:
    """The streams of one account, as far as they were followed (events.md §5)."""

    def __init__(self) -> None:
        self.events: dict[str, list[Event]] = {stream: [] for stream in STREAMS}
        self.states: dict[str, list[State]] = {stream: [State()] for stream in STREAMS}
        self.claimed: dict[str, dict[str, Any]] = {stream: {} for stream in STREAMS}
        self.broken: set[str] = set()
        self.until = FOREVER  # how far its log goes (audit.md §2)

    def follow(self, e: Event, *, lineage: bool = True) -> None:
        """Take the next event of its stream. Raises: Refused."""
        history, accounts = self.events[e.stream], {es[0].account for es in self.events.values() if es}
        demand(accounts <= {e.account} and e.seq > len(history), "chain_broken", "place")
        demand(e.seq == len(history) + 1, "sequence_gap", "place")
        demand(e.prev == (history[-1].digest if history else ZEROS), "chain_fork", "place")
        for stream, head in self.claimed[e.stream].items() if e.statement else ():
            now = e.heads.get(stream, {"seq": -1})
            demand(now["seq"] > head["seq"] or now == head, "chain_fork", "place")
        for stream, head in e.heads.items():
            history, at = self.events[stream], head["seq"]
            is_asked = stream in STREAMS[1 : 4 if lineage else 2]  # of auth no rule asks
            demand(at <= len(history) or not is_asked, "sequence_gap", "heads")
            there = ZEROS if not at else history[at - 1].digest if at <= len(history) else head["digest"]
            demand(head["digest"] == there, "chain_fork", "heads")
        own = self.states[e.stream]
        if e.statement:
            seen = {s: self.states[s][: e.claims(s) + 1][-1] for s in STREAMS[1:]}
            seen[e.stream] = own[-1]
            check_signers(e, seen)
            if lineage:
                check_lineage(e, seen["devices"], seen["vault"], seen["rotation"], self.states["vault"])
            self.claimed[e.stream] = e.heads
        state = deepcopy(own[-1])
        FOLLOW[e.stream](state, e)
        own.append(state)
        self.events[e.stream].append(e)


def check_signers(e: Event, seen: Mapping[str, State]) -> None:
    """Check who signs, and with which key (lineage.md §3.1, devices.md §2, conventions.md §4)."""
    d, b = seen["devices"], e.body
    certified = b.get("certificate", {})
    status, cert = d.table.get(e.device, ("", certified))
    itself = certified.get("device") == e.device
    demand(itself or (e.name != "device_enrolled" and status == "trusted"), "untrusted_device", "signers")
    named = b.get("previous_account_key") or b.get("account_key")  # the transition compares it
    commit = b.get("commit_key") or seen["vault"].more.get(b.get("epoch"))
    keys = {"device": cert["device_key"], "account": named or d.facts.get("key"), "commit": commit}
    keys["next_account"] = b.get("account_key")
    message = b"solekey/statement/v1\0" + encode_json(e.statement)
    for signer, signature in e.signatures.items():
        if signer != "commit" or commit:  # an epoch that has not begun: the transition is refused
            demand(keys[signer] and verify(keys[signer], signature, message), "signature_invalid", "signers")


def verify(key: str, signature: str, message: bytes) -> bool:
    """Whether an Ed25519 signature verifies."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), message)
    except InvalidSignature:
        return False
    return True


Found = Iterator[tuple[str, Event]]
Violation = tuple[str, str, str, int]  # a word for what is wrong; account, stream, seq of the event at fault


class Audit:
    """What is found in a log, and the verdict."""

    def __init__(self, records: Iterable[bytes], pins: Mapping[str, Any], now: datetime) -> None:
        self.found: dict[Violation, None] = {}
        self.places: dict[str, dict[str, dict[int, list[Event]]]] = {}
        self.roles: dict[str, tuple[Any, ...]] = {}
        for raw in records:
            try:
                e = parse_record(raw)
            except Refused as refusal:
                self.find(refusal.args[0])
                continue
            at = self.places.setdefault(e.account, {s: {} for s in STREAMS})[e.stream].setdefault(e.seq, [])
            at += [] if e in at else [e]
        named = {SYSTEM}
        for name in sorted({*self.places, *pins}):
            account, pin = Account(), pins.get(name, {})
            heads = pin.get("heads", {}).values()
            named |= {name} if "first_key" in pin or any(head["seq"] for head in heads) else set()
            self.follow(account, self.choose(self.places.get(name, {}), pin))
            known = [e for events in account.events.values() for e in events]
            account.until = max((e.time for e in known if e.time <= now + CLOCKS), default=now)
            for e in (e for e in known if not BEGAN <= e.time <= now + CLOCKS):
                self.find("time_impossible", e)
            for check in (check_sessions, check_revocations, self.check_keys):
                for code, e in check(account):
                    self.find(code, e)
            self.check_pin(name, account, pin)
        vouched = SYSTEM in self.places and set(self.places) <= named
        self.verdict = "violations" if self.found else "clean" if vouched else "cannot_tell"

    def find(self, code: str, e: Event | None = None) -> None:
        """Note a violation."""
        self.found[(code, e.account, e.stream, e.seq) if e else (code, "-", "-", 0)] = None

    def choose(self, places: Mapping[str, Any], pin: Mapping[str, Any]) -> dict[str, list[Event]]:
        """Order the events, and choose where two claim one place: the pinned, or else the first one."""
        queues: dict[str, list[Event]] = {stream: [] for stream in STREAMS}
        for stream, at in places.items():
            pinned = pin.get("heads", {}).get(stream, {}).get("digest")
            for _, events in sorted(at.items()):
                queues[stream] += sorted(events, key=lambda e: e.digest != pinned)[:1]
                for other in events[1:]:
                    self.find("chain_fork", other)
        return queues

    def follow(self, account: Account, queues: dict[str, list[Event]]) -> None:
        """Follow all streams of an account, each when what its statements claim has been followed."""
        broken = account.broken

        def ahead(e: Event) -> set[str]:
            return {stream for stream in e.heads if e.claims(stream) > len(account.events[stream])}

        def waits(stream: str) -> bool:
            return any(queues[s] and s not in broken for s in ahead(queues[stream][0]))

        while ready := [s for s in STREAMS if queues[s] and s not in broken and not waits(s)]:
            e = queues[ready[0]].pop(0)
            try:
                if ahead(e) - broken:
                    self.find("event_withheld", e)
                account.follow(e, lineage=not ahead(e) - {"auth"})  # what cannot be judged is not
            except Refused as refusal:
                self.find(refusal.args[0], e)
                broken.add(e.stream)
        for e in (queues[stream][0] for stream in STREAMS if queues[stream] and stream not in broken):
            self.find("chain_fork", e)  # statements that claim to have seen each other

    def check_pin(self, name: str, account: Account, pin: Mapping[str, Any]) -> None:
        """Compare with what a user vouches for (audit.md §1.2)."""
        wrong = [] if name in self.places else [("account_missing", "-", 0)]
        first = next((e.body["account_key"] for e in account.events["devices"]), None)
        wrong += [("pin_mismatch", "devices", 1)] if pin.get("first_key", first) != first else []
        for stream, head in pin.get("heads", {}).items():
            there = {e.digest for e in self.places.get(name, {}).get(stream, {}).get(head["seq"], [])}
            if head["seq"] and head["digest"] not in there:
                wrong += [("chain_fork" if there else "rolled_back", stream, head["seq"])]
        self.found |= {(code, name, stream, seq): None for code, stream, seq in wrong}

    def check_keys(self, account: Account) -> Found:
        """Check that a public key has one role, and a wrap's digest one place (audit.md WRP)."""
        for e in (e for events in account.events.values() for e in events):
            b, cert = e.body, e.body.get("certificate", {})
            roles = {cert.get("device_key"): ("device",), b.get("account_key"): (e.account,)}
            if e.name == "key_wrapped":
                roles |= {b["commit_key"]: (e.account, b["epoch"]), b["wrap"]: (e.account, "wrap", e.seq)}
            for key, role in roles.items():
                if key and self.roles.setdefault(key, role) != role:
                    yield "wrap_repeated" if key == b.get("wrap") else "key_repeated", e


def check_sessions(account: Account) -> Found:
    """Check what the sessions and factors of an account must keep (audit.md SES, FAC)."""
    events = account.events["auth"]
    opened: dict[str, Event] = {}
    until: dict[str, datetime] = {}
    factors: dict[str, str] = {}
    version, barred = 0, BEGAN  # until when nobody may register it again
    for n, e in enumerate(events):
        b, name, session, kind = e.body, e.name, e.body.get("session", ""), e.body.get("factor")
        if name == "session_opened":
            opened[session], until[session] = e, datetime.fromisoformat(b["expires_at"])
        kinds, factor, end = list(factors.values()), b.get("factor_id", ""), until.get(session, e.time)
        removed = factors.pop(factor, None) if name == "mfa_removed" else None
        needs = {"session_opened": kind, "session_stepped_up": kind, "recovery_code_used": "recovery_codes"}
        used = name == "recovery_code_used" and factors.get(factor) != "recovery_codes"
        counts = b.get("credential_version") == version + (name != "account_closed")
        twice = kind in kinds if kind != "passkey" else factor in factors or kinds.count("passkey") > 9
        rules = {
            "account_unregistered": n == 0 and e.account != SYSTEM and name != "account_registered",
            "registered_twice": name == "account_registered" and e.time < barred,
            "credential_version_wrong": "credential_version" in b and not counts,
            "factor_twice": name == "mfa_enrolled" and twice,
            "factor_unknown": used or removed != (kind if name == "mfa_removed" else None),
            "factor_not_enrolled": name in needs and needs[name] not in kinds,
            "session_too_long": name == "session_opened" and not e.time < end <= e.time + SESSION,
            "session_not_open": session and session not in opened,
            "session_expired": e.time > end + CLOCKS and (name != "session_ended" or b["reason"] == "logout"),
            "session_survived": name == "account_closed" and opened,
        }
        yield from ((code, e) for code, broken in rules.items() if broken)
        version = b.get("credential_version", version)
        proves = name in ("session_opened", "mfa_enrolled")
        barred = e.time + HOUR - CLOCKS if name == "account_registered" else FOREVER if proves else barred
        factors |= {factor: b["factor"]} if name == "mfa_enrolled" else {}
        opened = {s: o for s, o in opened.items() if name != "session_ended" or s != session}
        for other in (o for s in STREAMS[1:] for o in account.events[s] if name == "account_closed"):
            if other.claims("auth") >= e.seq or other.time > e.time + REACH + CLOCKS:
                yield "account_closed", other
    yield from (("session_not_ended", e) for s, e in opened.items() if account.until > until[s] + HOUR)


def check_revocations(account: Account) -> Found:
    """Check what revoked devices state, and that their sessions end (lineage.md §4, audit.md REV)."""
    opened = [e for e in account.events["auth"] if e.name == "session_opened"]
    ended = {e.body["session"]: e for e in reversed(account.events["auth"]) if e.name == "session_ended"}
    revocations = [e for e in account.events["devices"] if e.name == "device_revoked"]
    for revoked in revocations:
        device, bound = revoked.body["device"], revoked.time + REACH + CLOCKS
        for e in (e for s in STREAMS[2:] for e in account.events[s] if e.device == device):
            knows = [o.seq for o in account.events[e.stream] if o.claims("devices") >= revoked.seq]
            if e.seq > max(revoked.claims(e.stream), *knows, 0):
                yield "revoked_author", e
            if e.time > bound:
                yield "statement_after_revocation", e
        for e in (e for e in opened if e.body["device"] == device):
            end = ended[e.body["session"]].time if e.body["session"] in ended else account.until
            if max(e.time, end) > bound and not account.broken:  # an event may be where nothing can be judged
                yield "session_after_revocation" if e.time > bound else "session_not_ended", e
    gone = {revoked.body["device"] for revoked in revocations}
    kept = {e.body["session"] for e in opened if e.body["device"] not in gone and not account.broken}
    for session in kept & {s for s, e in ended.items() if e.body["reason"] == "device_revoked"}:
        yield "device_not_revoked", ended[session]


def main(arguments: Sequence[str]) -> int:
    """Read a log, print its violations and the verdict; the exit code is the verdict's."""
    raw = Path(arguments[0]).read_bytes()
    pins = json.loads(Path(arguments[1]).read_bytes()) if len(arguments) > 1 else {}
    pins = {name: {"first_key": pin} if isinstance(pin, str) else pin for name, pin in pins.items()}
    lines = raw.removesuffix(b"\n").split(b"\n") if raw else []
    if raw.startswith(b"\xef\xbb\xbf") or b"\r\n" in raw or b"" in lines:
        print("log_converted\ncannot_tell")  # these are not the bytes that were hashed: audit.md §2
        return 2
    audit = Audit(lines, pins, datetime.now(UTC))
    print(*(" ".join(map(str, each)) for each in audit.found), audit.verdict, sep="\n")
    return ("clean", "violations", "cannot_tell").index(audit.verdict)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
