"""How many events one account may add to a service's stream. Spec: rate-limits.md §4.

Statements count (``verify_rate``), and so does what the auth service appends when it is asked to
(``verify_pace``); what a timer or another stream's event makes it append does not.

Counted from the events themselves, so that every process of a service counts alike and nothing is forgotten
at a restart: the n-th newest event tells whether n were appended within a time. Each takes one look-up by
primary key.
"""

import math
from datetime import datetime

from sqlalchemy import select

from solekey_eventlog.clock import was_written_ahead
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.ids import AccountId
from solekey_protocol.statements import Head, SignedStatement
from solekey_service.config import ServiceConfig
from solekey_service.refusals import QuotaExceeded, RateLimited

_MINUTE_S = 60
_DAY_S = 86_400
_URGENT_FACTOR = 2


def verify_rate(uow: UnitOfWork, head: Head, signed: SignedStatement, config: ServiceConfig) -> Head:
    """Verify that the account may make another statement now, and return the head.

    Statements by which an owner shuts a thief out (a revocation, and whatever the account key signs) have
    twice the limit: a thief who exhausts the ordinary one with a stolen device does not delay them.

    Raises:
        RateLimited: too many within a minute or a day. QuotaExceeded: the stream is as long as it may be.
    """
    urgent = _is_urgent(signed)
    most = config.max_events * (_URGENT_FACTOR if urgent else 1)
    if head.seq >= most:
        raise QuotaExceeded("events", limit=most, used=head.seq)
    return verify_pace(uow, signed.statement.account, head, config, urgent=urgent)


def verify_pace(
    uow: UnitOfWork, account: AccountId, head: Head, config: ServiceConfig, *, urgent: bool
) -> Head:
    """Verify that the account's stream does not grow too fast, and return its head.

    Args:
        uow: the transaction that is to append.
        account: whose stream.
        head: of the stream, in this transaction.
        config: has the limits.
        urgent: whether a thief with a locked device cannot have asked for this: twice the limit.

    Raises:
        RateLimited: too many within a minute or a day.
    """
    factor = _URGENT_FACTOR if urgent else 1
    windows = ((config.statements_per_minute, _MINUTE_S), (config.statements_per_day, _DAY_S))
    for count, window_s in windows:
        _verify_window(uow, account, head, count * factor, window_s)
    return head


def _verify_window(uow: UnitOfWork, account: AccountId, head: Head, count: int, window_s: int) -> None:
    if head.seq < count:
        return
    events = uow.tables.events
    query = select(events.c.appended_at).where(
        events.c.account == account, events.c.seq == head.seq - count + 1
    )
    appended_at: datetime = uow.connection.execute(query).scalar_one()
    if was_written_ahead(appended_at, uow.now):
        return  # nobody waits for the time that the clock had been ahead
    left_s = window_s - (uow.now - appended_at).total_seconds()
    if left_s > 0:
        raise RateLimited("events", limit=count, window_s=window_s, retry_after_s=math.ceil(left_s))


def _is_urgent(signed: SignedStatement) -> bool:
    return signed.statement.body.TYPE.endswith(".device_revoked.v1") or "account" in signed.signatures
