"""How many files of auth one login crosses: those that somebody reads who follows a request to its answer.

Counted by running it: a file is crossed when code of it runs between the request and the answer. Tables,
limits and refusals are names that need no reading on the way. For the list itself::

    python -m pytest tests/unit/auth/test_login_walk.py -rP
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import solekey_auth
from solekey_auth.definition import DEFINITION
from solekey_service.http import Request, Response
from tests.support.kernels import Rig
from tests.support.passkeys.desk import KeyRing
from tests.support.people.person import Desk, Person, read

MAX_FILES = 15
PACKAGE = Path(solekey_auth.__file__).parent


def trace(work: Callable[[], Response]) -> tuple[Response, list[str]]:
    """Run work; return the files of auth of which code ran, in the order in which they were entered."""
    crossed: dict[str, None] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE):
            crossed[str(path.relative_to(PACKAGE))] = None

    sys.setprofile(note)
    try:
        answer = work()
    finally:
        sys.setprofile(None)
    return answer, list(crossed)


@pytest.fixture
def keys(rig: Rig) -> KeyRing:
    ring = KeyRing(Desk.open(rig), Person())
    assert ring.desk.register(ring.person).status == 201
    ring.open_session()
    return ring


def find_factor(keys: KeyRing, kind: str, challenge: str) -> dict[str, Any]:
    if kind == "recovery_code":
        return {"kind": kind, "code": read(keys.ask(keys.api.post_recovery_codes, {}))["codes"][0]}
    if kind == "passkey":
        assert keys.add().status == 201
        passkeys = read(keys.fetch_passkeys(challenge))["passkeys"]
        return keys.browser.get(bytes.fromhex(challenge), passkeys)
    return keys.code()


@pytest.mark.parametrize("kind", ["totp", "recovery_code", "passkey"])
def test_a_login_crosses_few_files(keys: KeyRing, kind: str) -> None:
    desk, person = keys.desk, keys.person
    [route] = [each for each in DEFINITION.all_routes if each.operation == "post_session"]
    challenge = desk.challenge(person.username)
    document = person.login(challenge, find_factor(keys, kind, challenge))
    proof = desk.prove(person.device_key)

    def post(request: Request) -> Response:
        return route.handler(desk.api, request)

    desk.hear()
    answer, crossed = trace(lambda: desk.ask(post, document, proof=proof))
    print(f"{kind}: {len(crossed)} files", *crossed, sep="\n  ")  # the list is what is asked for
    assert answer.status == 201, answer.body
    assert {"definition.py", "sessions/api.py", "domain.py"} <= set(crossed)  # the trace sees them
    assert len(crossed) <= MAX_FILES
