"""The operator's commands about signing keys, beside a running service. Spec: tokens.md §2.

They write to the service's database, as the service itself does: every process of it follows at once, and the
one that publishes tells the other services.
"""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import datetime
from typing import Final

from solekey_auth.signing_keys.signing_keys import SigningKeys
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import KeyId
from solekey_service.operator_command import OperatorCommand, tell


def list_keys(keys: SigningKeys, now: datetime) -> list[str]:
    """List every key that was announced: its id, when it signs at the earliest, and what it does now."""
    stream, ring = keys.read()
    signer = ring.find_signer(now, keys.limits)
    own = {each.key_id for each in ring.published}
    lines = []
    for key in sorted(stream.signing_keys.values(), key=lambda each: each.not_before):
        if signer is not None and key.key_id == signer.key_id:
            state = "signs"
        elif key.not_after.datetime <= now:
            state = "expired"
        elif key.key_id in own and key.not_before.datetime > now:
            state = "next"
        else:
            state = "accepted"
        lines.append(f"{key.key_id}  {key.not_before}  {key.not_after}  {state}")
    return [*lines, *(f"{key_id}  withdrawn" for key_id in sorted(stream.withdrawn_keys))]


def _list(keys: SigningKeys, _: Namespace) -> None:
    for line in list_keys(keys, keys.clock.now()):
        tell(line)


def _rotate(keys: SigningKeys, arguments: Namespace) -> None:
    keys.rotate(arguments.withdraw)
    _list(keys, arguments)


def _add_withdraw(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--withdraw",
        type=_parse_key_id,
        metavar="KEY_ID",
        action="append",
        default=[],
        help="refuse every token of this key from now on, for ever; may be given several times",
    )


def _parse_key_id(text: str) -> KeyId:
    try:
        return KeyId(text)
    except MalformedError as error:
        raise ArgumentTypeError(str(error)) from error


SIGNING_KEY_COMMANDS: Final = (
    OperatorCommand("signing-keys", "list the keys that sign tokens: id, from, until, state", _list),
    OperatorCommand(
        "rotate-signing-key",
        "announce the next key, and list them all",
        _rotate,
        add_arguments=_add_withdraw,
    ),
)
