"""Says things for this device: signs statements at the head of a stream and hands them to the server.

A statement is decided on from the streams' newest state. If another device was faster, the streams are
brought up to date and it is decided anew, also that it is not needed any more. Spec: conventions.md §4.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Final

from solekey.connection.connection import Connection
from solekey.crypto import SigningKey
from solekey.errors import ContentionError, ForgedEventError, StaleError
from solekey.streams.streams import Streams
from solekey_protocol.encoding import Json, encode_json
from solekey_protocol.errors import ProtocolError
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Body, Signer
from solekey_protocol.services import WRITERS
from solekey_protocol.statements import SignedStatement, Statement

MAX_ROUNDS: Final = 12
_log = logging.getLogger(__name__)

Decide = Callable[[], Body | None]
"""Looks at the streams and returns what is to be said, or None when there is nothing (left) to say."""

FindSigners = Callable[[Body], Mapping[Signer, SigningKey]]
"""Finds the keys that sign a body besides the device's; may find more than its type asks for."""


def find_no_signers(body: Body) -> Mapping[Signer, SigningKey]:  # noqa: ARG001  # the shape of FindSigners
    """Find none: for what the device alone signs."""
    return {}


class Author:
    """This device's voice.

    Attributes:
        is_unanswered: a statement was sent last whose answer did not come: it may have been taken. Whoever
            decides on what the streams say brings them up to date first, and says so here.
    """

    def __init__(self, connection: Connection, streams: Streams) -> None:
        self._connection = connection
        self._streams = streams
        self.is_unanswered = False

    def say(
        self,
        decide: Decide,
        *,
        signers: FindSigners = find_no_signers,
        besides: Mapping[str, Json] | None = None,
    ) -> Event | None:
        """Decide, sign, submit; again after a sync when the server has moved on.

        Args:
            decide: what to say, from the streams' present state.
            signers: finds the keys that must sign besides the device's.
            besides: members that travel beside the statement, such as a device's name.

        Returns:
            The event, or None when there was nothing to say.

        Raises:
            ContentionError: other devices were faster each time.
            DiskFullError: there is no room to pin what is acknowledged: nothing was signed. In the rare
                case that the room was taken meanwhile: it is acknowledged, and not pinned.
            ServerRefusedError, TransportError, EvidenceError
        """
        for round_ in range(MAX_ROUNDS):
            self._streams.verify_room()
            body = decide()
            if body is None:
                return None
            signed = self._sign(body, signers(body))
            try:
                return self._submit(signed, besides or {})
            except StaleError as refusal:
                if round_ == MAX_ROUNDS - 1:
                    raise ContentionError(f"gave up after {MAX_ROUNDS} attempts: {refusal}") from refusal
                _log.info("%s: another device was faster; deciding anew", body.STREAM)
                self._streams.sync()
        raise AssertionError("the last round returns or raises")

    def _sign(self, body: Body, keys: Mapping[Signer, SigningKey]) -> SignedStatement:
        head = self._streams.head(body.STREAM)
        statement = Statement(
            account=self._connection.profile.account,
            seq=head.seq + 1,
            prev=head.digest,
            heads=self._streams.heads(besides=body.STREAM),
            device=self._connection.profile.device_key.device_id,
            body=body,
        )
        message = statement.signing_bytes()
        signatures = {signer: keys[signer].sign(message) for signer in body.SIGNERS - {Signer.DEVICE}}
        signatures[Signer.DEVICE] = self._connection.profile.device_key.sign(message)
        return SignedStatement(statement, signatures)

    def _submit(self, signed: SignedStatement, besides: Mapping[str, Json]) -> Event:
        content = encode_json({**signed.to_json(), **besides})
        self.is_unanswered = True
        answer = self._connection.call(
            WRITERS[signed.statement.stream], "POST", "statements", content=content
        )
        try:
            event = parse_event(answer.body)
        except ProtocolError as error:
            raise ForgedEventError(f"the server answered a statement with no event: {error}") from error
        if event.signed is None or event.signed.digest != signed.digest:
            raise ForgedEventError("the server answered a statement with another one")
        self._streams.accept(event)
        self.is_unanswered = False
        return event
