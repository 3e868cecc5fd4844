"""What a person signs to change the password, and to close the account. Signs without Solekey's code."""

import threading
from collections.abc import Callable
from typing import Any

import rfc8785

from solekey_service.http import Response
from tests.support.keys import Key, derive_raw
from tests.support.people.person import KDF, Desk, Person, read
from tests.support.tickets import ORIGIN

NEW_KEY = Key("login key of ana, password another")
NEW_KDF = {**KDF, "salt": derive_raw("another kdf salt").hex()}
MORE_WORK = {**NEW_KDF, "memory_kib": 128 * 1024}


def sign_login_key(
    person: Person, challenge: str, new: Key = NEW_KEY, *, signed: Any = None, **changes: Any
) -> dict[str, Any]:
    """A request for another login key; what is in ``signed`` is signed in the place of the truth."""
    members = {
        "challenge": challenge,
        "kdf": NEW_KDF,
        "login_key": new.public,
        "reason": "password_changed",
        **changes,
    }
    message = b"solekey/login-key/v1\x00" + rfc8785.dumps({**members, "origin": ORIGIN, **(signed or {})})
    return {
        **members,
        "signature": str(person.login_key.sign(message)),
        "proof": str(new.sign(message)),
    }


def sign_closing(person: Person, challenge: str, signed: Any = None) -> dict[str, Any]:
    """A request to close the account; what is in ``signed`` is signed in the place of the truth."""
    members = {"account": person.actor.account, "challenge": challenge, "origin": ORIGIN}
    message = b"solekey/close/v1\x00" + rfc8785.dumps({**members, **(signed or {})})
    return {"challenge": challenge, "signature": str(person.login_key.sign(message))}


class Seat:
    """A person in an open session."""

    def __init__(self, desk: Desk, person: Person) -> None:
        self.desk = desk
        self.person = person
        opened = desk.log_in(person)
        assert opened.status == 201, opened.body
        desk.rig.clock.advance(30)
        self.answer = read(opened)
        self.session: str = self.answer["session"]

    def challenge(self) -> str:
        return self.desk.challenge(self.person.username)

    def send(self, method: Any, document: Any) -> Response:
        caller = self.desk.as_caller(self.person, self.session)
        return self.desk.ask(method, document, caller=caller)

    def change(self, document: Any = None, **changes: Any) -> Response:
        """Ask for another login key, right in every part that is not given otherwise."""
        document = document or sign_login_key(self.person, self.challenge(), **changes)
        return self.send(self.desk.api.accounts.post_login_key, document)

    def close(self, document: Any = None, signed: Any = None) -> Response:
        """Ask to close the account."""
        document = document or sign_closing(self.person, self.challenge(), signed)
        return self.send(self.desk.api.accounts.post_closing, document)

    def refresh(self) -> Response:
        return self.desk.refresh(self.answer["refresh_token"], self.person.device_key)

    def on(self, device: str) -> "Seat":
        """The same person in a session on another device."""
        other = Person(self.person.username.partition("@")[0], device).with_(
            login_key=self.person.login_key, totp_secret=self.person.totp_secret
        )
        return Seat(self.desk, other)


def knowing(person: Person, key: Key = NEW_KEY) -> Person:
    """The same person with another password."""
    return person.with_(login_key=key)


def run_together(*tasks: Callable[[], Response]) -> list[Response]:
    """Do all of it at the same moment; the answers stand in the order of the tasks."""
    start, answers = threading.Barrier(len(tasks)), dict[int, Response]()

    def run(number: int, task: Callable[[], Response]) -> None:
        start.wait()
        answers[number] = task()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[number] for number in range(len(tasks))]
