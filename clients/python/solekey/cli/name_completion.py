"""Names that a shell completes: devices, and items where the user key is kept in the keyring.

Completion asks nobody and says nothing: what cannot be had at once is left out. Item names are encrypted, so
they are completed only where no words and no passphrase have to be typed.
"""

from contextlib import suppress

import click
from click.shell_completion import CompletionItem

from solekey.cli.known_profile import read_stored_key
from solekey.cli.opening import open_session
from solekey.cli.state import Cli


def complete_devices(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a device by its name or its id."""
    del param
    with suppress(Exception):
        state = _find_state(ctx)
        state.verify_logged_in()
        with open_session(state) as session:
            session.sync()
            found = session.devices.list()
        names = [each for info in found for each in (info.name, info.id) if each is not None]
        return _match(names, incomplete)
    return []


def complete_items(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete an item by its name."""
    del param
    with suppress(Exception):
        state = _find_state(ctx)
        stored = read_stored_key(state.profile)
        if stored.spec is None or not stored.spec.startswith("keyring:"):
            return []

        from solekey.providers import open_provider
        from solekey.providers.question import refuse_to_ask

        key = open_provider(stored.spec, account=stored.account, ask=refuse_to_ask).load()
        with key, open_session(state) as session, session.unlock(key) as vault:
            return _match([info.name for info in vault.list()], incomplete)
    return []


def _find_state(ctx: click.Context) -> Cli:
    state = ctx.find_root().obj
    return state if isinstance(state, Cli) else Cli()


def _match(names: list[str], incomplete: str) -> list[CompletionItem]:
    plain = (name for name in names if name.isprintable())
    return [CompletionItem(name) for name in plain if name.startswith(incomplete)]
