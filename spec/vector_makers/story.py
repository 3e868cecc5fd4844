"""The streams of an account, written record by record; nothing is checked. Spec: events.md §1, §4."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vector_makers.account import (
    ACCOUNT_SEEDS,
    EARLIER,
    LAPTOP,
    NAMES,
    commit_seed,
    device,
)
from vector_makers.primitives import ACCOUNT, encode_json, sha256, sign
from vector_makers.saying import LABEL, Members
from vector_makers.vector import Vector, VectorFile

BOTH = ("device", "account")
SIGNERS: Mapping[str, tuple[str, ...]] = {
    "devices.account_founded": BOTH,
    "devices.device_enrolled": ("device",),
    "devices.device_trusted": BOTH,
    "devices.device_revoked": BOTH,
    "devices.account_key_changed": (*BOTH, "next_account"),
    "devices.key_change_abandoned": BOTH,
    "vault.key_wrapped": (*BOTH, "commit"),
    "vault.wrap_retired": BOTH,
    "vault.items_committed": ("device", "commit"),
    "vault.objects_purged": BOTH,
    "rotation.policy_set": BOTH,
    "rotation.rotation_started": BOTH,
    "rotation.rotation_verified": BOTH,
    "rotation.rotation_committed": BOTH,
    "rotation.rotation_completed": BOTH,
    "rotation.rotation_aborted": BOTH,
}
"""Who signs; what is not here is a service's fact."""
NONE = {"digest": "0" * 64, "seq": 0}


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a stream."""

    kind: str
    seq: int
    text: str

    @property
    def stream(self) -> str:
        """The stream that it belongs to."""
        return self.kind.partition(".")[0]

    @property
    def head(self) -> Members:
        """What a statement claims that has seen it."""
        return {"digest": sha256(self.text.encode()).hex(), "seq": self.seq}


@dataclass(frozen=True, slots=True)
class Told:
    """What was followed, and the record that comes now."""

    before: tuple[Record, ...]
    record: Record


@dataclass(frozen=True, slots=True)
class Story:
    """The records so far, each by authors who had seen all before it."""

    records: tuple[Record, ...] = ()
    user: str = "K0"
    """The user key in force."""

    def tell(self, kind: str, body: Members, **how: Any) -> "Story":
        """Go on with one record."""
        changed = kind == "devices.account_key_changed"
        user = NAMES[body["account_key"]] if changed else self.user
        return Story((*self.records, self.write(kind, body, **how)), user)

    def then(self, kind: str, body: Members, **how: Any) -> Told:
        """What comes next, for better or worse."""
        return Told(self.records, self.write(kind, body, **how))

    def head(self, stream: str, seq: int | None = None) -> Members:
        """The head of a stream, now or at a place."""
        found = [record.head for record in self.records if record.stream == stream]
        return [NONE, *found][-1 if seq is None else seq]

    def write(
        self,
        kind: str,
        body: Members,
        *,
        by: bytes = LAPTOP,
        seen: Mapping[str, int | Members] | None = None,
        keys: Mapping[str, bytes] | None = None,
        place: Members | None = None,
        record: Members | None = None,
        said: Members | None = None,
    ) -> Record:
        """Write the next record of a stream.

        Args:
            kind: stream and event, such as `vault.key_wrapped`.
            body: what the event says.
            by: the seed of the device that speaks.
            seen: places of other streams where its author had not seen all: 0 leaves the stream out.
            keys: the seeds of signers that do not sign with their own.
            place: another `account`, `seq` or `prev`, of record and statement.
            record: other members of the record.
            said: other members of the statement, before it is signed.
        """
        stream, _, name = kind.partition(".")
        head = self.head(stream)
        at = {"account": ACCOUNT, "prev": head["digest"], "seq": head["seq"] + 1, **(place or {})}
        if kind in SIGNERS:
            data = self._sign(kind, body, by, seen or {}, keys or {}, {**at, **(said or {})})
        else:
            data = {"body": body}
        members = {
            "data": data,
            "datacontenttype": "application/json",
            "id": f"{at['account']}:{stream}:{at['seq']}",
            "prev": at["prev"],
            "seq": at["seq"],
            "source": f"solekey/{stream}",
            "specversion": "1.0",
            "stream": stream,
            "subject": at["account"],
            "time": EARLIER,
            "type": f"solekey.{stream}.{name}.v1",
            **(record or {}),
        }
        return Record(kind, at["seq"], encode_json(members).decode())

    def _sign(
        self,
        kind: str,
        body: Members,
        by: bytes,
        seen: Mapping[str, int | Members],
        keys: Mapping[str, bytes],
        at: Members,
    ) -> Members:
        stream, _, name = kind.partition(".")
        heads = {}
        for other in ("devices", "rotation", "vault"):
            until = seen.get(other)
            head = until if isinstance(until, dict) else self.head(other, until)
            if other != stream and head["seq"]:
                heads[other] = head
        statement = {
            "body": body,
            "device": device(by),
            "heads": heads,
            "stream": stream,
            "type": f"solekey.{stream}.{name}.v1",
            **at,
        }
        message = LABEL + encode_json(statement)
        own = {
            "account": ACCOUNT_SEEDS[self.user],
            "commit": commit_seed(body.get("epoch", 1)),
            "device": by,
            "next_account": ACCOUNT_SEEDS[NAMES.get(body.get("account_key", ""), "K1")],
            **keys,
        }
        signatures = {signer: sign(own[signer], message).hex() for signer in SIGNERS[kind]}
        return {"signatures": signatures, "statement": statement}


Case = tuple[str, str, Told, str]
"""A rule, the name of a vector, what is told, and why it is refused."""
Rules = Mapping[str, tuple[str, str, str]]
"""By rule: its section, the stage that must fail, and the code."""


def make_refusals(rules: Rules, cases: Sequence[Case]) -> list[tuple[Told, Vector]]:
    """Make the vectors of records that a verifier must refuse."""
    vectors = []
    for rule, name, told, why in cases:
        section, stage, code = rules[rule]
        vectors.append((told, Vector(f"{rule}: {name}", f"{section} {rule}", why, {}, code, stage)))
    return vectors


def make_accepted(
    section: str, cases: Sequence[tuple[str, Story, Members, str]]
) -> list[tuple[Told, Vector]]:
    """Make the vectors of stories that a verifier follows to their end."""
    vectors = []
    for name, story, output, why in cases:
        told = Told(story.records[:-1], story.records[-1])
        found = {"head": told.record.head, **output}
        vectors.append((told, Vector(f"follows: {name}", section, why, {}, output=found)))
    return vectors


def gather(noun: str, page: str, about: str, told: Sequence[tuple[Told, Vector]]) -> VectorFile:
    """Gather vectors into a file, whose records stand once: what a vector follows names them."""
    names: dict[str, str] = {}
    records: dict[str, str] = {}
    vectors = []
    for each, vector in told:
        for record in each.before:
            if record.text not in names:
                label = f"{record.stream} {record.seq}"
                while label in records:
                    label += "'"
                names[record.text] = label
                records[label] = record.text
        given = {"before": [names[record.text] for record in each.before], "record": each.record.text}
        vectors.append(replace(vector, input=given))
    return VectorFile(noun, page, about, vectors, records)
