"""The second decoder, for streams: which record may follow, and what all amount to.

Written from the text of spec/ alone (devices.md §2, vault.md §2, rotation.md §2, tokens.md §6.1); it shares
no code with the product. Each fold is a state that takes one body after another.
"""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.support.vectors.notation import demand, refusing

Body = dict[str, Any]
MAX_DEVICES = 64


def read_body(record: dict[str, Any]) -> tuple[str, Body]:
    """Return the event's name and body."""
    data = record["data"].get("statement", record["data"])
    return record["type"].split(".")[2], data["body"]


@dataclass
class Auth:
    """tokens.md §6.1"""

    sessions: dict[str, int] = field(default_factory=dict)
    factors: dict[str, str] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)
    withdrawn: set[str] = field(default_factory=set)
    closed: bool = False

    def take(self, record: dict[str, Any]) -> None:
        """Follow one fact."""
        name, body = read_body(record)
        demand(not self.closed)
        session = body.get("session")
        if name == "session_opened":
            demand(session not in self.opened)
            self.opened.add(session)
            self.sessions[session] = 1
        elif name == "session_refreshed":
            demand(self.sessions.get(session, 0) + 1 == body["generation"] > 1)
            self.sessions[session] += 1
        elif name in ("session_stepped_up", "refresh_reuse_detected"):
            demand(body.get("generation", 1) <= self.sessions.get(session, 0))
        elif name == "session_ended":
            self.sessions.pop(session, None)
        elif name == "mfa_enrolled":
            self.factors[body["factor_id"]] = body["factor"]
        elif name == "mfa_removed":
            self.factors.pop(body["factor_id"], None)
        elif name == "signing_key_withdrawn":
            self.withdrawn.add(body["key_id"])
        elif name == "signing_key_published":
            demand(body["key_id"] not in self.withdrawn)
        elif name == "account_closed":
            self.sessions, self.factors, self.closed = {}, {}, True

    def show(self) -> dict[str, Any]:
        """What the stream amounts to."""
        return {"closed": self.closed, "factors": self.factors, "sessions": self.sessions}


@dataclass
class Devices:
    """devices.md §2"""

    keys: list[str] = field(default_factory=list)
    key_ids: list[str] = field(default_factory=list)
    certificates: dict[str, Body] = field(default_factory=dict)
    standing: dict[str, str] = field(default_factory=dict)
    decisions: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def abandoned(self) -> set[str]:
        """The key ids that never come into force."""
        return {key_id for outcome, key_id in self.decisions.values() if outcome == "abandoned"}

    def trusted_key(self, device: str) -> str | None:
        """The key of a device that is trusted."""
        trusted = self.standing.get(device) == "trusted"
        return str(self.certificates[device]["device_key"]) if trusted else None

    def take(self, record: dict[str, Any]) -> None:
        """Follow one statement."""
        name, body = read_body(record)
        demand(bool(self.keys) != (name == "account_founded"))
        getattr(self, f"take_{name}")(body, record["data"]["statement"]["device"])

    def take_account_founded(self, body: Body, _: str) -> None:
        """The account begins."""
        self.enrol(body["certificate"], "trusted")
        self.keys.append(body["account_key"])
        self.key_ids.append(body["key_id"])

    def take_device_enrolled(self, body: Body, _: str) -> None:
        """A device asks for trust."""
        demand(body["certificate"]["device"] not in self.standing)
        demand(sum(status != "revoked" for status in self.standing.values()) < MAX_DEVICES)
        names = {certificate["name_commitment"] for certificate in self.certificates.values()}
        demand(body["certificate"]["name_commitment"] not in names)
        self.enrol(body["certificate"], "pending")

    def enrol(self, certificate: Body, status: str) -> None:
        """A device's id is its key's."""
        digest = hashlib.sha256(b"solekey/v1/device-id\0" + bytes.fromhex(certificate["device_key"])).digest()
        demand(certificate["device"] == "dev_" + base64.b32encode(digest[:16]).decode().lower().rstrip("="))
        self.certificates[certificate["device"]] = certificate
        self.standing[certificate["device"]] = status

    def take_device_trusted(self, body: Body, _: str) -> None:
        """Somebody with the user key certifies."""
        device = body["certificate"]["device"]
        demand(self.standing.get(device) == "pending")
        demand(self.certificates[device] == body["certificate"])
        demand(body["account_key"] == self.keys[-1])
        self.standing[device] = "trusted"

    def take_device_revoked(self, body: Body, by: str) -> None:
        """A device speaks no more."""
        demand(self.standing.get(body["device"], "revoked") != "revoked")
        demand(body["device"] != by)
        self.standing[body["device"]] = "revoked"

    def take_account_key_changed(self, body: Body, _: str) -> None:
        """A user key takes over."""
        demand(body["previous_account_key"] == self.keys[-1])
        demand(body["account_key"] not in self.keys)
        demand(body["key_id"] not in self.key_ids)
        demand(body["key_id"] not in self.abandoned)
        trusted = [c for device, c in self.certificates.items() if self.standing[device] == "trusted"]
        by_id = sorted(body["certificates"], key=lambda certificate: str(certificate["device"]))
        demand(by_id == sorted(trusted, key=lambda certificate: str(certificate["device"])))
        self.decide(body, "taken")
        self.keys.append(body["account_key"])
        self.key_ids.append(body["key_id"])

    def take_key_change_abandoned(self, body: Body, _: str) -> None:
        """A user key never takes over."""
        demand(body["key_id"] not in self.key_ids)
        self.decide(body, "abandoned")

    def decide(self, body: Body, outcome: str) -> None:
        """The first decision counts."""
        demand(body["rotation"] not in self.decisions)
        self.decisions[body["rotation"]] = outcome, body["key_id"]

    def show(self) -> dict[str, Any]:
        """What the stream amounts to."""
        decisions = {rotation: outcome for rotation, (outcome, _) in self.decisions.items()}
        return {"key_id": self.key_ids[-1], "devices": self.standing, "decisions": decisions}


@dataclass
class Vault:
    """vault.md §2"""

    wraps: dict[tuple[str, int, int], Body] = field(default_factory=dict)
    live: list[tuple[str, int, int]] = field(default_factory=list)
    commit_keys: dict[int, str] = field(default_factory=dict)
    begun_by: dict[int, str | None] = field(default_factory=dict)
    last_commit: int = 0
    purged_through: int = 0
    snapshots: list[int] = field(default_factory=list)
    length: int = 0

    @property
    def epoch(self) -> int:
        """The newest epoch."""
        return max(self.commit_keys, default=0)

    def take(self, record: dict[str, Any]) -> None:
        """Follow one statement."""
        self.length += 1
        name, body = read_body(record)
        getattr(self, f"take_{name}")(body)

    def take_key_wrapped(self, body: Body) -> None:
        """A wrap becomes live."""
        epoch = body["epoch"]
        demand(epoch in self.commit_keys or epoch == self.epoch + 1)
        versions = [v for secret, e, v in self.wraps if (secret, e) == (body["secret"], epoch)]
        demand(body["wrap_version"] == max(versions, default=0) + 1)
        demand(self.commit_keys.get(epoch, body["commit_key"]) == body["commit_key"])
        place = body["secret"], epoch, body["wrap_version"]
        self.wraps[place] = body
        self.live = sorted([*self.live, place])
        self.commit_keys[epoch] = body["commit_key"]
        self.begun_by.setdefault(epoch, body["rotation"])

    def take_wrap_retired(self, body: Body) -> None:
        """A wrap is not needed any more."""
        place = body["secret"], body["epoch"], body["wrap_version"]
        demand(place in self.live)
        demand(self.wraps[place]["wrap"] == body["wrap"])
        self.live = [wrap for wrap in self.live if wrap != place]
        demand(any(epoch == self.epoch for _, epoch, _ in self.live))

    def take_items_committed(self, body: Body) -> None:
        """A change list counts."""
        demand(body["commit"] == self.last_commit + 1)
        demand(body["epoch"] == self.epoch)
        self.last_commit += 1
        if body["kind"] == "snapshot":
            self.snapshots.append(self.length)

    def take_objects_purged(self, body: Body) -> None:
        """Ciphertext goes."""
        demand(self.purged_through <= body["through_commit"] <= self.last_commit)
        self.purged_through = body["through_commit"]

    def show(self) -> dict[str, Any]:
        """What the stream amounts to."""
        return {
            "epoch": self.epoch,
            "live": [list(place) for place in self.live],
            "last_commit": self.last_commit,
            "purged_through": self.purged_through,
        }


@dataclass
class Saga:
    """One rotation: its bodies by step, and how much of other streams their authors had seen."""

    started: Body
    steps: dict[str, Body] = field(default_factory=dict)
    seen_vault: dict[str, int] = field(default_factory=dict)

    @property
    def phase(self) -> str:
        """How far it is."""
        return ["staged", *self.steps][-1]


NEXT = {
    "verified": {"staged"},
    "committed": {"verified"},
    "completed": {"committed"},
    "aborted": {"staged", "verified"},
}


@dataclass
class Rotation:
    """rotation.md §2"""

    sagas: list[Saga] = field(default_factory=list)
    due: dict[str, str] = field(default_factory=dict)
    policy: Body | None = None

    @property
    def open(self) -> Saga | None:
        """The rotation that is open."""
        going = [saga for saga in self.sagas if saga.phase not in {"completed", "aborted"}]
        return going[0] if going else None

    def take(self, record: dict[str, Any]) -> None:
        """Follow one record."""
        name, body = read_body(record)
        if name == "rotation_due":
            self.due[body["kind"]] = body["enforcement"]
        elif name == "rotation_started":
            self.start(body)
        elif name == "policy_set":
            self.policy = body
        else:
            step = name.removeprefix("rotation_")
            saga = self.open or Saga({"rotation": None})
            demand(saga.started["rotation"] == body["rotation"])
            demand(saga.phase in NEXT[step])
            left = body.get("left_epochs", [])
            demand(left == sorted(set(left)))
            demand(all(epoch < saga.started["to_epoch"] for epoch in left))
            demand(not left or saga.started["kind"] == "data_key")
            saga.steps[step] = body
            head = record["data"]["statement"]["heads"].get("vault", {"seq": 0})
            saga.seen_vault[step] = head["seq"]
            if step == "completed":
                self.due.pop(saga.started["kind"], None)

    def start(self, body: Body) -> None:
        """A rotation is staged."""
        demand(self.open is None)
        demand(all(saga.started["rotation"] != body["rotation"] for saga in self.sagas))
        change = body["kind"] == "user_key"
        demand((body["from_key_id"] != body["to_key_id"]) == change)
        demand(body["to_epoch"] - body["from_epoch"] == (0 if change else 1))
        used = {saga.started[key] for saga in self.sagas for key in ("from_key_id", "to_key_id")}
        demand(not change or body["to_key_id"] not in used)
        self.sagas.append(Saga(body))

    def is_enforced(self, kind: str) -> bool:
        """rotation.md §4.1: the account's policy, or else what the operator's was."""
        return (self.policy or {"enforcement": self.due[kind]})["enforcement"] == "enforced"

    def show(self) -> dict[str, Any]:
        """What the stream amounts to."""
        saga = self.open
        return {
            "open": saga and {"rotation": saga.started["rotation"], "phase": saga.phase},
            "completed": [each.started["rotation"] for each in self.sagas if each.phase == "completed"],
            "due": sorted(self.due),
            "enforced": sorted(kind for kind in self.due if self.is_enforced(kind)),
        }


def fold_devices(records: Iterable[dict[str, Any]]) -> Devices:
    """Fold the devices stream."""
    state = Devices()
    with refusing("transition_refused", "transition"):
        for record in records:
            state.take(record)
    return state


def fold_vault(records: Iterable[dict[str, Any]]) -> Vault:
    """Fold the vault stream."""
    state = Vault()
    with refusing("transition_refused", "transition"):
        for record in records:
            state.take(record)
    return state


def fold_rotation(records: Iterable[dict[str, Any]]) -> Rotation:
    """Fold the rotation stream."""
    state = Rotation()
    with refusing("transition_refused", "transition"):
        for record in records:
            state.take(record)
    return state


def fold_auth(records: Iterable[dict[str, Any]]) -> Auth:
    """Fold the auth stream."""
    state = Auth()
    with refusing("transition_refused", "transition"):
        for record in records:
            state.take(record)
    return state
