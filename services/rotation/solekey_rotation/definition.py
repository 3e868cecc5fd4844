"""The rotation service: what makes it different from the others. Spec: rotation.md §4.

It notes since when keys are in force, and says that both are due when a device that had them is revoked.
Nothing becomes due any more in an account that was closed.
"""

from argparse import Namespace
from collections.abc import Callable
from typing import Final

from sqlalchemy import select

from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.events import auth, devices, vault
from solekey_protocol.services import SERVICES, Service
from solekey_rotation.api import RotationApi
from solekey_rotation.config import RotationConfig
from solekey_rotation.gauges import GAUGES
from solekey_rotation.tables import event_tables, key_ages, metadata
from solekey_service.access import Access
from solekey_service.definition import Job, ServiceDefinition
from solekey_service.operator_command import OperatorCommand, tell
from solekey_service.read_models import ReadModel


def rebuild_key_ages(api: RotationApi, _: Namespace) -> None:
    """Make the read model of the key ages from zero (a command)."""
    tell(f"rebuilt the key ages of {api.rebuild_key_ages()} accounts")


def _rebuild_key_ages(api: RotationApi, uow: UnitOfWork, _: Callable[[str], None]) -> None:
    api.schedule.rebuild(uow)


_age = key_ages.c
KEY_AGES: Final = ReadModel(
    "key ages",
    _rebuild_key_ages,
    (  # when to look again depends on when it was looked
        select(
            *(_age.account, _age.user_key_since, _age.data_key_since, _age.epoch),
            *(_age.open_kind, _age.open_seq),
        ),
    ),
)

DEFINITION: Final = ServiceDefinition(
    entry=SERVICES[Service.ROTATION],
    package="solekey_rotation",
    config=RotationConfig,
    metadata=metadata,
    tables=event_tables,
    api=RotationApi,
    statements=Access.TRUSTED,
    reactions={
        auth.AccountClosed: lambda api, uow, event: api.schedule.note_closed(uow, event),
        devices.AccountFounded: lambda api, uow, event: api.schedule.note_user_key(uow, event),
        devices.AccountKeyChanged: lambda api, uow, event: api.schedule.note_user_key(uow, event),
        devices.DeviceRevoked: lambda api, uow, event: api.schedule.note_revocation(uow, event),
        vault.KeyWrapped: lambda api, uow, event: api.schedule.note_wrap(uow, event),
    },
    read_models=(KEY_AGES,),
    commands=(
        OperatorCommand(
            "rebuild-key-ages",
            "make the key ages from zero, from the events of devices and vault that were applied",
            rebuild_key_ages,
            is_exclusive=True,
        ),
    ),
    jobs=(Job("announce_due", 60, RotationApi.announce_due),),
    gauges=GAUGES,
)
