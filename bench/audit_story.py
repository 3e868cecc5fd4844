"""The account that the audit's benchmark clones: the tests' story, which goes on for some weeks of use."""

from typing import Any, Final

from solekey_protocol.event import Event
from solekey_protocol.events import auth, vault
from solekey_protocol.ids import SessionId
from tests.support.protocol.keyring import LAPTOP, digest
from tests.support.protocol.story import LATER, Story, publish_signing_key, tell

SESSIONS: Final = 4
COMMITS: Final = 24
"""52 events an account, as an external auditor's measurement had."""


def tell_original() -> list[Event]:
    """An account with a user key change, a revoked device, sessions and commits; the platform's key first."""
    story: Any = Story()  # not typed
    for event in tell():
        story.events.append(event)
        story.heads[event.stream] = event.head
    commit = 3
    for number in range(SESSIONS):
        session = SessionId.from_raw(b"session %08d" % number)
        story.fact(auth.SessionOpened(session, LAPTOP.device, auth.Factor.TOTP, LATER))
        for _ in range(COMMITS // SESSIONS):
            commit += 1
            body = vault.ItemsCommitted(
                commit, vault.CommitKind.DELTA, 1, digest(f"changes {commit}"), 2, 4096
            )
            story.say(body)
        story.fact(auth.SessionEnded(session, auth.SessionEnd.LOGOUT))
    events: list[Event] = story.events
    return [publish_signing_key(), *events]
