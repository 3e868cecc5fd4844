"""The operator's command about one account's quota: what it stores, may store, and shall be allowed to.

Spec: vault.md §3.1. It writes to the service's database: every process of it follows at once.
"""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import asdict
from typing import Final

from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import AccountId
from solekey_service.operator_command import OperatorCommand, tell
from solekey_vault.api import VaultApi
from solekey_vault.usage_repository import DEFAULT_QUOTA, UsageRepository

_LIMITS: Final = tuple(asdict(DEFAULT_QUOTA))


def _run(api: VaultApi, arguments: Namespace) -> None:
    given = {name: getattr(arguments, name) for name in _LIMITS}
    changes = {name: limit for name, limit in given.items() if limit is not None}
    limits = {**dict.fromkeys(_LIMITS), **changes} if arguments.default else changes
    with api.kernel.store.begin() as uow:
        repository = UsageRepository(uow, api.objects.quota)
        if limits:
            repository.set_quota(arguments.account, limits)
        usage, quota = repository.find_usage(arguments.account), repository.find_quota(arguments.account)
    tell(f"bytes             {usage.bytes} of {quota.bytes}")
    tell(f"objects           {usage.objects} of {quota.objects}")
    tell(f"bytes per hour    {usage.sent_bytes} of {quota.bytes_per_hour}")
    tell(f"objects per hour  {usage.sent_objects} of {quota.objects_per_hour}")


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "account", type=_parse_account, metavar="ACCOUNT", help="such as acc_aaaqeayeaudaocajbifqydiob4"
    )
    for name in _LIMITS:
        unit = name.partition("_")[0]
        hourly = " that it may send within an hour" if name.endswith("_per_hour") else " that it may store"
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=_parse_limit, metavar="N", help=f"set the {unit}{hourly}"
        )
    parser.add_argument(
        "--default", action="store_true", help="forget its own limits, but for those given here"
    )


def _parse_account(text: str) -> AccountId:
    try:
        return AccountId(text)
    except MalformedError as error:
        raise ArgumentTypeError(str(error)) from error


def _parse_limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:20]) < 2**63:
        raise ArgumentTypeError(f"expected a number from 1 to 2^63 - 1, not {text[:40]!r}")
    return int(text)


QUOTA: Final = OperatorCommand(
    "quota",
    "show what an account stores and may store, in bytes and objects; set its own limits",
    _run,
    add_arguments=_add_arguments,
)
