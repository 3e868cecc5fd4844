"""The operator's command that compares the object store with the database. Spec: vault.md §3.

After one of the two was restored from a backup, or a disk was damaged. It reads every byte that it judges.
"""

from argparse import ArgumentParser, Namespace
from typing import Final

from sqlalchemy import insert, select

from solekey_eventlog.errors import EventLogError
from solekey_service.operator_command import OperatorCommand, report, tell
from solekey_vault.api import VaultApi
from solekey_vault.objects import pages
from solekey_vault.tables import orphans

_REPORTED_OBJECTS: Final = 1000


class ObjectsDamagedError(EventLogError):
    """Objects that the database names are missing or damaged."""


def _check(api: VaultApi, arguments: Namespace) -> None:
    looked, damaged, unnamed = 0, 0, []
    for row in api.list_stored():
        if row["kind"] == "blob":
            unnamed.append(row["name"])
        elif row["kind"] in {"object", "wrap"} and not row["dropped"]:
            looked += 1
            if row["found"] != row["digest"]:
                damaged += 1
                tell(f"{row['account']}  {row['kind']} {row['digest']}  {_describe(row['found'])}")
            if looked % _REPORTED_OBJECTS == 0:
                report(f"{looked} looked at")
    if arguments.collect:
        _collect(api, unnamed)
    what = "collected within two hours" if arguments.collect else "--collect deletes them"
    tell(f"{looked} objects and wraps, {damaged} missing or damaged; {len(unnamed)} unnamed: {what}")
    if damaged:
        raise ObjectsDamagedError(
            "what is missing or damaged cannot be read by its users: restore the object store and the "
            "database from one backup, or the store from a later one"
        )


def _describe(found: str | None) -> str:
    return "is missing" if found is None else "is damaged"


def _collect(api: VaultApi, names: list[str]) -> None:
    """Note blobs that no row names as orphans, which are deleted once nobody can be at work on them."""
    for page in pages(names):
        with api.kernel.store.begin() as uow:
            query = select(orphans.c.name).where(orphans.c.name.in_(page))
            known = set(uow.connection.execute(query).scalars())
            rows = [{"name": name, "since": uow.now} for name in page if name not in known]
            if rows:
                uow.connection.execute(insert(orphans), rows)


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--collect", action="store_true", help="have what no row names deleted, as a restoration leaves it"
    )


CHECK_OBJECTS: Final = OperatorCommand(
    "check-objects",
    "read every object and wrap, and list those that are missing or damaged: exit code 1 if there are any",
    _check,
    add_arguments=_add_arguments,
)
