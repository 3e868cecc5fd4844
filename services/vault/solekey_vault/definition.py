"""The vault: what makes it different from the other services. Spec: vault.md §8.

It follows ``auth`` to admit requests and to note closed accounts, ``devices`` to verify statements, and
``rotation`` for the rules between streams.
"""

from argparse import Namespace
from collections.abc import Callable
from typing import Final

from sqlalchemy import select

from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.events.auth import AccountClosed
from solekey_protocol.events.rotation import RotationAborted, RotationCommitted, RotationStarted
from solekey_protocol.limits import KIB, MAX_BATCH_BYTES, MAX_BATCH_OBJECTS, MAX_PART_BYTES, MAX_WRAP_BYTES
from solekey_protocol.services import SERVICES, Service
from solekey_service.access import Access
from solekey_service.definition import Job, Route, ServiceDefinition
from solekey_service.operator_command import OperatorCommand, report, tell
from solekey_service.read_models import ReadModel
from solekey_vault.api import VaultApi
from solekey_vault.config import VaultConfig
from solekey_vault.gauges import GAUGES
from solekey_vault.objects_command import CHECK_OBJECTS
from solekey_vault.quota_command import QUOTA
from solekey_vault.tables import (
    account_usage,
    commit_pages,
    commits,
    event_tables,
    item_versions,
    metadata,
)
from solekey_vault.usage_repository import UsageRepository

MAX_BATCH_BODY_BYTES: Final = MAX_BATCH_BYTES + 64 * KIB
"""Objects and their CBOR framing."""
MAX_DIGESTS_BODY_BYTES: Final = MAX_BATCH_OBJECTS * 80 + KIB

_WRAPS, _OBJECTS = "/v1/vault/wraps", "/v1/vault/objects"


def rebuild_items(api: VaultApi, _: Namespace) -> None:
    """Make the read model of the items from zero (a command)."""
    tell(f"rebuilt the items of {api.rebuild_items(report)} accounts")


def _rebuild_items(api: VaultApi, uow: UnitOfWork, progress: Callable[[str], None]) -> None:
    api.rebuild_items_in(uow, progress)


_version = item_versions.c
ITEMS: Final = ReadModel(
    "items",
    _rebuild_items,
    (  # which replaced versions are left depends on when they were collected
        select(
            *(_version.account, _version.item, _version.version, _version.epoch, _version.size),
            *(_version.change, _version.commit),
        ).where(_version.superseded_by.is_(None)),
        select(commits.c.account, commits.c.commit, commits.c.kind, commits.c.changes),
        select(commit_pages.c.account, commit_pages.c.digest, commit_pages.c.commit),
    ),
)

USAGE: Final[ReadModel[VaultApi]] = ReadModel(
    "usage",
    lambda _, uow, __: UsageRepository(uow).recount(),
    (
        select(account_usage.c.account, account_usage.c.bytes, account_usage.c.objects).where(
            (account_usage.c.bytes != 0) | (account_usage.c.objects != 0)
        ),
    ),
)

DEFINITION: Final = ServiceDefinition(
    entry=SERVICES[Service.VAULT],
    package="solekey_vault",
    config=VaultConfig,
    metadata=metadata,
    tables=event_tables,
    api=VaultApi,
    statements=Access.TRUSTED,
    routes=(
        Route("PUT", f"{_WRAPS}/<digest>", Access.TRUSTED, VaultApi.put_wrap, MAX_WRAP_BYTES),
        Route("GET", _WRAPS, Access.SESSION, VaultApi.get_wraps),
        Route("GET", f"{_WRAPS}/retired", Access.TRUSTED, VaultApi.get_retired_wraps),
        Route("GET", "/v1/vault/limits", Access.TRUSTED, VaultApi.get_limits),
        Route("PUT", f"{_OBJECTS}/<digest>", Access.TRUSTED, VaultApi.put_object, MAX_PART_BYTES),
        Route("GET", f"{_OBJECTS}/<digest>", Access.TRUSTED, VaultApi.get_object),
        Route("POST", _OBJECTS, Access.TRUSTED, VaultApi.post_objects, MAX_BATCH_BODY_BYTES),
        Route("POST", f"{_OBJECTS}/missing", Access.TRUSTED, VaultApi.post_missing, MAX_DIGESTS_BODY_BYTES),
        Route("POST", f"{_OBJECTS}/fetch", Access.TRUSTED, VaultApi.post_fetch, MAX_DIGESTS_BODY_BYTES),
    ),
    reactions={
        AccountClosed: VaultApi.note_closed,
        RotationStarted: VaultApi.note_rotation,
        RotationCommitted: VaultApi.note_rotation,
        RotationAborted: VaultApi.note_rotation,
    },
    read_models=(ITEMS, USAGE),
    commands=(
        OperatorCommand(
            "rebuild-items",
            "make the read model of the items from zero, from the events and their change lists",
            rebuild_items,
            is_exclusive=True,
        ),
        CHECK_OBJECTS,
        QUOTA,
    ),
    jobs=(
        Job("collect_history", 600, VaultApi.collect_history, at_start=True),
        Job("purge_unclaimed", 600, VaultApi.purge_unclaimed),
    ),
    gauges=GAUGES,
)
