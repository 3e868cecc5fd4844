"""The second decoder, for the rules between streams (lineage.md), and for whole histories.

Written from the text of spec/ alone; it shares no code with the product.
"""

import hashlib
from typing import Any

from tests.support.vectors.folds import (
    Saga,
    Vault,
    fold_auth,
    fold_devices,
    fold_rotation,
    fold_vault,
    read_body,
)
from tests.support.vectors.notation import demand
from tests.support.vectors.records import (
    Log,
    claim,
    is_said,
    read_record,
    verify_heads,
    verify_place,
    verify_signers,
)

FOLDS: dict[str, Any] = {
    "auth": fold_auth,
    "devices": fold_devices,
    "vault": fold_vault,
    "rotation": fold_rotation,
}


def follow(before: list[str], record: str, *, tied: bool) -> tuple[dict[str, Any], Any]:
    """Follow records in their order; return the last one's head and what its stream amounts to."""
    log: dict[str, list[dict[str, Any]]] = {stream: [] for stream in FOLDS}
    account = read_record([*before, record][0])["subject"]
    for text in [*before, record]:
        document = read_record(text)
        stream = document["stream"]
        verify_place(log[stream], document, account)
        if is_said(document):
            if stream != "devices":
                verify_heads(log, document, "devices")
            if tied:
                verify_heads(log, document, *({"vault", "rotation"} - {stream}))
            verify_signers(log, document)
            if tied:
                verify_lineage(log, document)
        state = FOLDS[stream]([*log[stream], document])
        log[stream].append(document)
    return document["head"], state


def follow_stream(before: list[str], record: str) -> dict[str, Any]:
    """Follow one stream by its own rules."""
    head, state = follow(before, record, tied=False)
    return {"head": head, **state.show()}


def follow_place(before: list[str], record: str) -> dict[str, Any]:
    """Follow places and heads. events.md §5.1, §5.2"""
    return {"head": follow(before, record, tied=False)[0]}


def follow_tied(before: list[str], record: str) -> dict[str, Any]:
    """Follow all streams by all rules. lineage.md §3"""
    return {"head": follow(before, record, tied=True)[0]}


class Seen:
    """The other streams as their author had seen them, and the own one before the statement. lineage.md §1"""

    def __init__(self, log: Log, record: dict[str, Any]) -> None:
        def cut(stream: str) -> list[dict[str, Any]]:
            own = record["stream"] == stream
            return log[stream] if own else log[stream][: claim(record, stream)["seq"]]

        self.devices = fold_devices(cut("devices"))
        self.vault = fold_vault(cut("vault"))
        self.rotation = fold_rotation(cut("rotation"))
        self.key_id = self.devices.key_ids[-1] if self.devices.key_ids else None

    def outcome(self, rotation: str) -> str | None:
        """What devices has decided about a user key change."""
        return self.devices.decisions.get(rotation, (None, None))[0]

    def live(self) -> list[dict[str, Any]]:
        """The live wraps."""
        return [self.vault.wraps[place] for place in self.vault.live]


def verify_lineage(log: Log, record: dict[str, Any]) -> None:
    """Verify what a statement needs of the other streams. lineage.md §3"""
    name, body = read_body(record)
    rule = RULES.get(name)
    if rule:
        rule(Seen(log, record), body)


def verify_start(seen: Seen, body: dict[str, Any]) -> None:
    """lineage.md §3.2 start, known-key"""
    demand(body["from_key_id"] == seen.key_id, "stale_heads", "lineage")
    demand(body["from_epoch"] == seen.vault.epoch, "stale_heads", "lineage")
    if body["kind"] == "user_key":
        demand(body["to_key_id"] not in seen.devices.key_ids[:-1], "key_not_current", "lineage")
        demand(body["to_key_id"] not in seen.devices.abandoned, "key_not_current", "lineage")


def verify_verified(seen: Seen, body: dict[str, Any]) -> None:
    """lineage.md §3.2 verify-all, verify-same; §3.3 rekey-own-epoch, rekey-same"""
    saga = seen.rotation.open
    if saga is None or saga.started["rotation"] != body["rotation"]:
        return  # the stream itself refuses it
    made = [wrap for wrap in seen.live() if wrap["key_id"] == saga.started["to_key_id"]]
    if saga.started["kind"] == "user_key":
        demand(find_secrets(seen.live()) == find_secrets(made), "rotation_incomplete", "lineage")
    else:
        verify_own_epoch(seen, saga)
        made = [wrap for wrap in made if wrap["epoch"] == saga.started["to_epoch"]]
    verify_same(body, made)


def verify_own_epoch(seen: Seen, saga: Saga) -> None:
    """lineage.md §3.3 rekey-own-epoch"""
    begun = seen.vault.begun_by.get(saga.started["to_epoch"])
    demand(begun == saga.started["rotation"], "rotation_incomplete", "lineage")


def verify_same(verified: dict[str, Any], wraps: list[dict[str, Any]]) -> None:
    """lineage.md §3.2 verify-same, change-same; rotation.md §3"""
    demand(verified["count"] == len(wraps), "wraps_differ", "lineage")
    digests = sorted(bytes.fromhex(wrap["wrap"]) for wrap in wraps)
    demand(verified["wraps"] == hashlib.sha256(b"".join(digests)).hexdigest(), "wraps_differ", "lineage")


def find_secrets(wraps: list[dict[str, Any]]) -> set[tuple[str, int]]:
    """What is wrapped."""
    return {(wrap["secret"], wrap["epoch"]) for wrap in wraps}


def verify_change(seen: Seen, body: dict[str, Any]) -> None:
    """lineage.md §3.2 change-open, change-same"""
    saga = verify_open_change(seen, body)
    demand("verified" in saga.steps, "rotation_incomplete", "lineage")
    verify_same(saga.steps["verified"], [w for w in seen.live() if w["key_id"] == body["key_id"]])


def verify_open_change(seen: Seen, body: dict[str, Any]) -> Saga:
    """lineage.md §3.2 change-open, abandon-open"""
    saga = seen.rotation.open or Saga({"rotation": None, "kind": None, "to_key_id": None})
    demand(saga.started["rotation"] == body["rotation"], "rotation_incomplete", "lineage")
    demand(saga.started["kind"] == "user_key", "rotation_incomplete", "lineage")
    demand(saga.started["to_key_id"] == body["key_id"], "rotation_incomplete", "lineage")
    return saga


def verify_abandonment(seen: Seen, body: dict[str, Any]) -> None:
    """lineage.md §3.2 abandon-open"""
    verify_open_change(seen, body)


def verify_committed(seen: Seen, body: dict[str, Any]) -> None:
    """lineage.md §3.2 commit-taken; §3.3 rekey-own-epoch, rekey-snapshot, rekey-left"""
    saga = seen.rotation.open
    if saga is None or saga.started["kind"] == "user_key":
        demand(seen.outcome(body["rotation"]) == "taken", "rotation_incomplete", "lineage")
        return
    verify_own_epoch(seen, saga)
    demand(find_snapshot(seen.vault, saga.started["to_epoch"]), "rotation_incomplete", "lineage")
    for epoch in body["left_epochs"]:
        demand(is_live(seen, epoch), "rotation_incomplete", "lineage")


def is_live(seen: Seen, epoch: int) -> bool:
    """Whether a wrap of an epoch is live."""
    return any(wrap["epoch"] == epoch for wrap in seen.live())


def verify_reencryption(seen: Seen, body: dict[str, Any]) -> None:
    """lineage.md §3.3 rekey-nothing"""
    if body["kind"] != "rekey":
        return
    begun = seen.vault.begun_by.get(body["epoch"])
    sagas = [s for s in seen.rotation.sagas if s.started["rotation"] == begun and "aborted" not in s.steps]
    steps = sagas[0].steps if sagas else {}
    if "committed" in steps:
        left = [epoch for epoch in steps["committed"]["left_epochs"] if is_live(seen, epoch)]
        demand(left, "rotation_incomplete", "lineage")
    demand("verified" in steps, "rotation_incomplete", "lineage")


def find_snapshot(vault: Vault, epoch: int) -> bool:
    """Whether there is a snapshot under an epoch: commits are under the newest one."""
    return vault.epoch >= epoch and bool(vault.snapshots)


def verify_completed(seen: Seen, _: dict[str, Any]) -> None:
    """lineage.md §3.2 complete-retired, §3.3 rekey-retired"""
    saga = seen.rotation.open
    if saga is None:
        return
    if saga.started["kind"] == "user_key":
        old = [wrap for wrap in seen.live() if wrap["key_id"] != saga.started["to_key_id"]]
    else:
        left = saga.steps.get("committed", {"left_epochs": []})["left_epochs"]
        old = [w for w in seen.live() if w["epoch"] < saga.started["to_epoch"] and w["epoch"] not in left]
    demand(not old, "rotation_incomplete", "lineage")


def verify_aborted(seen: Seen, body: dict[str, Any]) -> None:
    """lineage.md §3.2 abort-undecided, abort-taken, abort-retired"""
    saga = seen.rotation.open
    if saga is None or saga.started["kind"] != "user_key":
        return
    demand(seen.outcome(body["rotation"]) != "taken", "rotation_irrevocable", "lineage")
    demand(seen.outcome(body["rotation"]) == "abandoned", "rotation_incomplete", "lineage")
    new = [wrap for wrap in seen.live() if wrap["key_id"] == saga.started["to_key_id"]]
    demand(not new, "rotation_incomplete", "lineage")


def verify_wrap(seen: Seen, body: dict[str, Any]) -> None:
    """lineage.md §3.4 wrap-key, wrap-rotation, wrap-epoch"""
    saga = seen.rotation.open
    current = body["key_id"] == seen.key_id
    leads = (
        saga is not None
        and saga.started["kind"] == "user_key"
        and saga.started["to_key_id"] == body["key_id"]
        and seen.outcome(saga.started["rotation"]) != "abandoned"
    )
    demand(current or leads, "key_not_current", "lineage")
    named = saga.started["rotation"] if saga else None
    demand(body["rotation"] == named or (body["rotation"] is None and current), "key_not_current", "lineage")
    if body["epoch"] > seen.vault.epoch:
        staged = saga and saga.phase == "staged" and saga.started["kind"] == "data_key"
        leads_on = staged and saga and (saga.started["to_epoch"], named) == (body["epoch"], body["rotation"])
        demand(leads_on or not seen.vault.epoch, "key_not_current", "lineage")


def verify_retirement(seen: Seen, body: dict[str, Any]) -> None:
    """lineage.md §3.4 retire-undecided, retire-unproven, retire-left"""
    wrap = seen.vault.wraps.get((body["secret"], body["epoch"], body["wrap_version"]))
    if wrap is None or wrap["key_id"] in seen.devices.abandoned or is_rekeyed(seen, body["epoch"]):
        return
    demand(wrap["key_id"] in seen.devices.key_ids[:-1], "wrap_in_use", "lineage")
    others = [
        w for w in seen.live() if find_secrets([w]) == find_secrets([wrap]) and w["key_id"] == seen.key_id
    ]
    demand(any(was_shown(seen, other) for other in others), "wrap_in_use", "lineage")


def is_rekeyed(seen: Seen, epoch: int) -> bool:
    """Whether the newest committed re-key has led past an epoch, and nothing is left under it."""
    sagas = [s for s in seen.rotation.sagas if s.started["kind"] == "data_key" and "committed" in s.steps]
    if not sagas or sagas[-1].started["to_epoch"] <= epoch:
        return False
    settled = any(at > sagas[-1].seen_vault["committed"] for at in seen.vault.snapshots)
    return epoch not in sagas[-1].steps["committed"]["left_epochs"] or settled


def was_shown(seen: Seen, wrap: dict[str, Any]) -> bool:
    """Whether a wrap was shown to open: a verification has seen it, or it is a repair."""
    repair = wrap["rotation"] is None and wrap["wrap_version"] > 1
    return repair or any(
        saga.started["rotation"] == wrap["rotation"] and "verified" in saga.steps
        for saga in seen.rotation.sagas
    )


RULES: dict[str, Any] = {
    "account_key_changed": verify_change,
    "key_change_abandoned": verify_abandonment,
    "key_wrapped": verify_wrap,
    "wrap_retired": verify_retirement,
    "items_committed": verify_reencryption,
    "rotation_started": verify_start,
    "rotation_verified": verify_verified,
    "rotation_committed": verify_committed,
    "rotation_completed": verify_completed,
    "rotation_aborted": verify_aborted,
}
