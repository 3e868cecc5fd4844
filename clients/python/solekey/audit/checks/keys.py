"""Keys and wraps that must be other ones each time. Spec: keys.md §4, §5."""

from collections.abc import Iterator

from solekey.audit.checks.evidence import Evidence
from solekey.audit.report import Tally
from solekey_protocol.event import Event
from solekey_protocol.events import Stream, devices, vault
from solekey_protocol.ids import DeviceId, Digest, PublicKey


def check_wraps(evidence: Evidence, tally: Tally) -> None:
    """WRP-01: a wrap names its own place, so that no two are the same bytes."""
    places: dict[Digest, int] = {}
    for event in evidence.of(Stream.VAULT):
        body = event.body
        if not isinstance(body, vault.KeyWrapped):
            continue
        tally.look("WRP-01")
        tally.hold("WRP-01", "wrap_repeated", bytes.fromhex(body.wrap), event)
        first = places.setdefault(body.wrap, event.seq)
        if first != event.seq:
            tally.find_at("WRP-01", "wrap_repeated", event, f"vault {first} has the same wrap: {body.wrap}")


def check_keys(evidence: Evidence, tally: Tally) -> None:
    """WRP-02: a public key has one role, and stands for one secret."""
    roles: dict[PublicKey, str | DeviceId] = {}
    for event in evidence.all():
        for key, role in _find_keys(event):
            tally.look("WRP-02")
            if not isinstance(role, DeviceId):
                tally.hold("WRP-02", "key_repeated", bytes.fromhex(key), event)
            first = roles.setdefault(key, role)
            if first != role:
                tally.find_at("WRP-02", "key_repeated", event, f"{key} is the key of {first}, and of {role}")


def _find_keys(event: Event) -> Iterator[tuple[PublicKey, str | DeviceId]]:
    match event.body:
        case devices.AccountFounded(account_key, key_id, certificate):
            yield account_key, f"user key {key_id}"
            yield certificate.device_key, certificate.device
        case devices.DeviceEnrolled(certificate):
            yield certificate.device_key, certificate.device
        case devices.AccountKeyChanged(account_key=account_key, key_id=key_id):
            yield account_key, f"user key {key_id}"
        case vault.KeyWrapped(epoch=epoch, commit_key=commit_key):
            yield commit_key, f"epoch {epoch}"
