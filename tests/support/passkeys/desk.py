"""A person with security keys in front of the auth service's Api. Signs without Solekey's code."""

from typing import Any

from solekey_service.http import Response
from tests.support.passkeys.authenticator import Authenticator
from tests.support.passkeys.browser import Browser
from tests.support.people.person import Desk, Person, compute_code, read

ORIGIN = "https://solekey.test"
HOST = "solekey.test"


class KeyRing:
    """A person, her session, and the security key that she holds."""

    def __init__(self, desk: Desk, person: Person, **how: Any) -> None:
        self.desk = desk
        self.person = person
        self.browser = Browser(Authenticator(**how), ORIGIN, HOST)
        self.session = ""

    @property
    def api(self) -> Any:
        return self.desk.api.factors

    def open_session(self) -> None:
        """Log in with a code."""
        response = self.desk.log_in(self.person)
        assert response.status == 201, response.body
        self.session = read(response)["session"]
        self.desk.rig.clock.advance(30)

    def ask(self, method: Any, document: Any = None, *path: str, session: str | None = None) -> Response:
        """Call an Api method in the session."""
        caller = self.desk.as_caller(self.person, session or self.session)
        return self.desk.ask(method, document, *path, caller=caller)

    # Adding

    def fetch_options(self) -> dict[str, Any]:
        options: dict[str, Any] = read(self.ask(self.api.post_passkey_options, {}))["options"]
        return options

    def add(self, options: dict[str, Any] | None = None, name: str = "key", **how: Any) -> Response:
        made = self.browser.create(options or self.fetch_options(), **how)
        return self.ask(self.api.post_passkey, {"name": name, **made})

    def fetch_factors(self) -> list[dict[str, Any]]:
        factors: list[dict[str, Any]] = read(self.ask(self.api.get_factors))["factors"]
        return factors

    def remove(self, factor: str) -> Response:
        """Remove a factor, by its kind or its id."""
        ids = [
            row["factor_id"] for row in self.fetch_factors() if factor in (row["factor"], row["factor_id"])
        ]
        return self.ask(self.api.delete_factor, None, ids[0] if ids else factor)

    # Logging in

    def question(self, challenge: str, **signed_otherwise: Any) -> dict[str, Any]:
        login = self.person.login(challenge, "000000", **signed_otherwise)
        return {member: login[member] for member in ("username", "challenge", "signature")}

    def fetch_passkeys(self, challenge: str, **signed_otherwise: Any) -> Response:
        document = self.question(challenge, **signed_otherwise)
        proof = self.desk.prove(self.person.device_key)
        return self.desk.ask(self.desk.api.sessions.post_passkey_question, document, proof=proof)

    def log_in(self, challenge: str | None = None, factor: Any = None) -> Response:
        """Log in with the key, or with another factor."""
        challenge = challenge or self.desk.challenge(self.person.username)
        if factor is None:
            passkeys = read(self.fetch_passkeys(challenge))["passkeys"]
            factor = self.browser.get(bytes.fromhex(challenge), passkeys)
        return self.send_login(challenge, factor)

    def send_login(self, challenge: str, factor: Any) -> Response:
        self.desk.hear()
        document = {**self.question(challenge), "factor": factor}
        proof = self.desk.prove(self.person.device_key)
        return self.desk.ask(self.desk.api.sessions.post_session, document, proof=proof)

    # Stepping up

    def fetch_step_up(self) -> tuple[str, list[str]]:
        members = read(self.ask(self.api.post_step_up_challenge, {}))
        return members["challenge"], members["passkeys"]

    def step_up(self, challenge: str | None = None, factor: Any = None) -> Response:
        asked, passkeys = self.fetch_step_up()
        challenge = challenge or asked
        factor = factor or self.browser.get(bytes.fromhex(challenge), passkeys)
        return self.ask(self.api.post_step_up, {"challenge": challenge, "factor": factor})

    def code(self) -> dict[str, str]:
        return {"kind": "totp", "code": compute_code(self.person.totp_secret, self.desk.now)}
