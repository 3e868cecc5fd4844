"""A new process of the vault service: prints when it has served its first account, and its peak memory.

Then it serves all accounts. Started by `bench.history`.
"""

import resource
import sys
import time
from pathlib import Path

from sqlalchemy import distinct, select

from bench.history import build_vault
from solekey_protocol.ids import AccountId
from solekey_protocol.streams import VaultStream
from solekey_vault.tables import event_tables


def main() -> None:
    """Serve one account, then all."""
    kernel = build_vault(Path(sys.argv[1]))
    kernel.projector.retry_parked()
    kernel.check_bus()
    kernel.health()
    with kernel.store.read() as uow:
        fold = kernel.streams.fold(uow, AccountId(sys.argv[2]), VaultStream)
        assert fold.last_commit  # a benchmark of nothing says nothing
        served_at = time.perf_counter()
        accounts = uow.connection.execute(select(distinct(event_tables.events.c.account))).scalars().all()
    for account in accounts:
        with kernel.store.read() as uow:
            kernel.streams.fold(uow, AccountId(account), VaultStream)
    print(served_at, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main()
