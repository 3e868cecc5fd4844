"""The in-process server, restored from a backup of itself, which it declares or does not."""

import copy
import json
from dataclasses import dataclass, field

import httpx

from solekey.errors import HistoryForkError, RollbackError
from solekey_protocol.ids import Timestamp
from tests.support.client.fake_parts import answer
from tests.support.client.world import World

GAP_S = 20
"""Between what happens; tokens live for 300 s."""


@dataclass
class Backup:
    """A backup of one account, and of when it is."""

    home: World
    as_of: Timestamp = field(init=False)

    def __post_init__(self) -> None:
        self.home.server.sleep(GAP_S)
        self.as_of = Timestamp.from_datetime(self.home.server.now)
        self.members = copy.deepcopy(vars(self.home.account))
        self.home.server.sleep(GAP_S)

    def restore(self, *, declared: bool = True, as_of: Timestamp | None = None) -> None:
        """Restore it; from then on the server declares that, or keeps silent."""
        server = self.home.server
        server.sleep(GAP_S)
        at = Timestamp.from_datetime(server.now)
        server.sleep(GAP_S)
        vars(self.home.account).update(copy.deepcopy(self.members))
        pairs = [{"as_of": as_of or self.as_of, "at": at}] if declared else []

        def declare(request: httpx.Request, response: httpx.Response) -> httpx.Response:
            return answer({"restored": pairs}) if request.url.path.endswith("/health") else response

        server.tamper = declare


def assert_refused(home: World, name: str) -> dict[str, object]:
    """Assert that a device refuses its server; return the evidence that it keeps."""
    with home.reopen(name) as session:
        try:
            session.sync()
        except (RollbackError, HistoryForkError):
            pass
        else:
            raise AssertionError(f"{name} goes on with a server that went back")
    (path, *_) = (home.folder / name).glob("*-evidence.json")
    document: dict[str, object] = json.loads(path.read_bytes())
    return document
