"""When a request's body is read: a short one before its sender is admitted, a long one after that."""

import warnings
from types import SimpleNamespace
from typing import Any

import pytest

from solekey_service.access import Access
from solekey_service.access.load_limit import LoadLimit
from solekey_service.access.used_proof import NOTED_LATER_BYTES
from solekey_service.definition import Route
from solekey_service.http import Request, Response
from solekey_service.refusals import TokenInvalid

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # eventlet announces its retirement
    from solekey_service.nameko_ext import http_entrypoint


class Desk:
    """A guard, a body and a method that note what is done with them."""

    def __init__(self, declared_bytes: int) -> None:
        self.done: list[str] = []
        self.declared_bytes = declared_bytes
        self.load = LoadLimit(9)
        self.refuses = False

    def verify_declared(self, limit: int) -> None:
        assert limit == 2 * NOTED_LATER_BYTES

    def read(self, _limit: int) -> bytes:
        self.done.append("read")
        return b"body"

    def admit(self, request: Request, _access: Access, *, note_later: bool) -> Request:
        self.done.append(f"admit {request.body.decode() or 'its head'}")
        assert note_later == bool(request.body)
        if self.refuses:
            raise TokenInvalid("no")
        return request

    def confirm(self, request: Request, _access: Access) -> Request:
        self.done.append("confirm")
        return request

    def answer(self, request: Request, _values: Any) -> Response:
        self.done.append(f"answer {request.body.decode()}")
        return Response(200)


def write(_api: Any, _request: Request) -> Response:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("declared_bytes", "expected"),
    [
        (NOTED_LATER_BYTES, ["read", "admit body", "answer body"]),
        (NOTED_LATER_BYTES + 1, ["admit its head", "read", "confirm", "answer body"]),
    ],
)
def test_all_is_checked_when_the_body_is_there(
    declared_bytes: int, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, entry = (
        Desk(declared_bytes),
        http_entrypoint.HttpEntrypoint(Route("POST", "/", Access.TRUSTED, write, 2 * 65536)),
    )
    wiring = SimpleNamespace(guard=desk)
    monkeypatch.setattr(http_entrypoint, "find_wiring", lambda _: wiring)
    monkeypatch.setattr(entry, "_run", desk.answer)
    body: Any = desk
    assert entry.handle(Request("POST", "/"), {}, body).status == 200
    assert desk.done == expected
    desk.refuses, desk.done[:] = True, []
    with pytest.raises(TokenInvalid):
        entry.handle(Request("POST", "/"), {}, body)
    assert desk.done == [each for each in expected[:2] if each != "read" or expected[0] == "read"]
