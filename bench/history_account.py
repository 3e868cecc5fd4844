"""Accounts with long histories, made quickly: each statement is signed in its place, without HTTP."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import update

from solekey.crypto import DeviceKey, SigningKey
from solekey.vault.vault import Vault
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.event import encode_event
from solekey_protocol.events import Body, Signer, Stream
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import AccountId, Digest, Timestamp, compute_digest
from solekey_protocol.page_list import encode_pages
from solekey_protocol.statements import SignedStatement, Statement
from solekey_service.kernel import Kernel
from tests.support.client.fake_server import FakeServer
from tests.support.client.world import World, forget_streams, make_argon2_quick
from tests.support.eventlog.author import Author

_BATCH: Final = 1_000

Keys = Mapping[Signer, SigningKey | DeviceKey]


def write_long_account(kernel: Kernel[Any], commits: int) -> Author:
    """Write an account with so many commits into the database of the vault service."""
    author = Author("long")
    with kernel.store.begin() as uow:
        _write(uow, author, author.wrapped())
    write_commits(kernel, author, 1, commits)
    return author


def write_commits(kernel: Kernel[Any], author: Author, first: int, last: int) -> None:
    """Write more commits of an account."""
    for start in range(first, last + 1, _BATCH):
        with kernel.store.begin() as uow:
            _write(uow, author, *(_make_commit(n) for n in range(start, min(start + _BATCH, last + 1))))


def write_accounts(kernel: Kernel[Any], count: int) -> list[AccountId]:
    """Write many accounts with a wrap and four commits each, all of them published."""
    accounts: list[AccountId] = []
    for start in range(0, count, _BATCH):
        with kernel.store.begin() as uow:
            for number in range(start, start + _BATCH):
                author = Author(f"account {number}")
                _write(uow, author, author.wrapped(), *(_make_commit(commit) for commit in range(1, 5)))
                accounts.append(author.account)
            uow.connection.execute(update(uow.tables.events).values(published_at=uow.now))
    return accounts


@contextmanager
def make_server_account(folder: Path, commits: int) -> Iterator[World]:
    """Make an account with so many commits at the tests' server; its device has forgotten all of them.

    The last commit is a snapshot, as a client commits by itself.
    """
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        make_argon2_quick(patch)
        home = World(FakeServer(), folder, stack)
        session = home.sign_up()
        with session.unlock(home.key()) as vault:
            vault.put("an item", b"x" * 1024)
            changes = list(vault.unlocked.index.newest.values())
            encoded, pages = encode_pages(changes)
            for each in (encoded, *pages):
                home.account.objects[compute_digest(each)] = each
            last = ItemsCommitted(
                commits,
                CommitKind.SNAPSHOT,
                1,
                compute_digest(encoded),
                len(changes),
                sum(c.size for c in changes),
            )
            keys = _find_keys(home, vault)
            for number in range(2, commits):
                _say(home, _make_commit(number), keys)
            _say(home, last, keys)
        forget_streams(folder / "laptop")
        for file in (folder / "laptop").glob("items*"):
            file.unlink()
        yield home


def add_commits(home: World, first: int, last: int) -> None:
    """Add commits that another program of the device has made."""
    with home.sessions["laptop"].unlock(home.key()) as vault:
        keys = _find_keys(home, vault)
    for number in range(first, last + 1):
        _say(home, _make_commit(number), keys)


def _find_keys(home: World, vault: Vault) -> Keys:
    """Find the keys that sign a commit."""
    keys = vault.unlocked.keyring.find_signers(_make_commit(1))
    commit = keys[Signer.COMMIT]
    return {Signer.DEVICE: home.sessions["laptop"].connection.profile.device_key, Signer.COMMIT: commit}


def _write(uow: UnitOfWork, author: Author, *bodies: Body) -> None:
    head = author.head(Stream.VAULT)
    signed = [author.say(body).signed for body in bodies]  # at noon, which is the store's time, too
    uow.append(author.account, head, *(each for each in signed if each is not None))


def _make_commit(number: int) -> ItemsCommitted:
    return ItemsCommitted(number, CommitKind.DELTA, 1, Digest(f"{number:064x}"), 1, 1200)


def _say(home: World, body: ItemsCommitted, keys: Keys) -> None:
    """Append a statement of the device as an honest server would."""
    account = home.account
    head = account.states[Stream.VAULT].head
    heads = {stream: account.states[stream].head for stream in (Stream.DEVICES, Stream.AUTH)}
    statement = Statement(
        account.account, head.seq + 1, head.digest, heads, home.sessions["laptop"].devices.own_id, body
    )
    message = statement.signing_bytes()
    signed = SignedStatement(statement, {s: keys[s].sign(message) for s in (Signer.DEVICE, Signer.COMMIT)})
    event = encode_event(
        signed, account=account.account, after=head, time=Timestamp.from_datetime(home.server.now)
    )
    account.states[Stream.VAULT] = account.states[Stream.VAULT].evolve(event)
    account.events[Stream.VAULT].append(event)
