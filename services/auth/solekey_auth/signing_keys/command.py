"""The operator's commands about signing keys, beside a running service. Spec: tokens.md §2.

They write to the service's database, as the service itself does: every process of it follows at once, and the
one that publishes tells the other services.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from solekey_auth.config import OPERATOR_KEY_PROBLEM, AuthConfig
from solekey_auth.definition import DEFINITION
from solekey_auth.signing_keys.issuer import SigningKeys
from solekey_auth.tables import event_tables
from solekey_eventlog.clock import SystemClock
from solekey_eventlog.engine import open_engine
from solekey_eventlog.errors import ConfigError, EventLogError
from solekey_eventlog.foundations import require_foundation
from solekey_eventlog.migrations import upgrade
from solekey_eventlog.store import EventStore
from solekey_eventlog.streams import Streams
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import KeyId
from solekey_service.config import load_config
from solekey_service.refusals import Refusal

COMMANDS = ("signing-keys", "rotate-signing-key")

EXIT_REFUSED = 1
EXIT_CONFIGURATION = 2


def run_command(arguments: Sequence[str]) -> int:
    """Run one of COMMANDS and return the exit code."""
    asked = _parse_arguments(arguments)
    try:
        config = load_config(AuthConfig, os.environ, asked.config)
        engine = open_engine(config.database_url)
    except ConfigError as error:
        sys.stderr.writelines(f"solekey: {problem}\n" for problem in error.problems)
        return EXIT_CONFIGURATION
    clock = SystemClock()
    try:
        upgrade(engine, DEFINITION.package)
        store = EventStore(engine, DEFINITION.stream, event_tables, clock)
        require_foundation(store, "operator-key", config.derive_key_check(), OPERATOR_KEY_PROBLEM)
        keys = SigningKeys(store, Streams(store, ()), config.open_signing_secret(), config.limits)
        if asked.command == "rotate-signing-key":
            keys.rotate(asked.withdraw)
        sys.stdout.writelines(f"{line}\n" for line in list_keys(keys, config, clock.now()))
    except ConfigError as error:
        sys.stderr.writelines(f"solekey: {problem}\n" for problem in error.problems)
        return EXIT_CONFIGURATION
    except (Refusal, EventLogError) as error:
        sys.stderr.write(f"solekey: {error}\n")
        return EXIT_REFUSED
    finally:
        engine.dispose()
    return 0


def list_keys(keys: SigningKeys, config: AuthConfig, now: datetime) -> list[str]:
    """List every key that was announced: its id, when it signs at the earliest, and what it does now."""
    stream, ring = keys.read()
    signer = ring.find_signer(now, config.limits)
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


def _parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m solekey_auth", description="Keys that sign access tokens."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    listed = commands.add_parser("signing-keys", help="list the keys: id, from, until, state")
    rotate = commands.add_parser("rotate-signing-key", help="announce the next key, and list them all")
    rotate.add_argument(
        "--withdraw",
        type=_parse_key_id,
        metavar="KEY_ID",
        action="append",
        default=[],
        help="refuse every token of this key from now on, for ever; may be given several times",
    )
    for each in (listed, rotate):
        each.add_argument(
            "--config", type=Path, metavar="FILE", help="TOML file; the environment counts more"
        )
    return parser.parse_args(arguments)


def _parse_key_id(text: str) -> KeyId:
    try:
        return KeyId(text)
    except MalformedError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
