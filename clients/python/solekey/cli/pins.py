"""What an auditor pins of an account. Spec: audit.md §2."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from solekey.account.session import Session


def find_first_account_key(session: "Session") -> str | None:
    """Find what an auditor pins (audit.md §2), in this device's verified copy of the devices stream."""
    from solekey_protocol.events import Stream
    from solekey_protocol.events.devices import AccountFounded

    founded = [event.body for event in session.streams.events(Stream.DEVICES)[:1]]
    return next((body.account_key for body in founded if isinstance(body, AccountFounded)), None)


def describe_pins(session: "Session") -> dict[str, object]:
    """Describe what an auditor pins of this account (audit.md §2): first key and verified heads."""
    from solekey_protocol.events.fields import encode_body
    from solekey_protocol.services import V1_STREAMS

    heads = {stream.value: encode_body(session.streams.head(stream)) for stream in V1_STREAMS}
    return {session.account: {"first_key": find_first_account_key(session), "heads": heads}}
