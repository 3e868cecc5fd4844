"""What stands between a server and an authenticator: a browser, as far as a ceremony needs one.

Nothing here is Solekey's code.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.passkeys.authenticator import Authenticator, sha256


def encode(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Browser:
    """A browser at an origin with an authenticator plugged in.

    Attributes:
        said: members of the client data that are said otherwise than they are; None leaves one out.
    """

    authenticator: Authenticator
    origin: str
    rp_id: str
    present: bool = True
    said: dict[str, Any] = field(default_factory=dict)

    def create(self, options: Mapping[str, Any], *, resident: bool = False) -> dict[str, str]:
        """navigator.credentials.create: the answer's members, base64url."""
        client_data = self.collect("webauthn.create", decode(options["challenge"]))
        attestation = self.authenticator.make_credential(
            self.rp_id,
            decode(options["user"]["id"]),
            sha256(client_data),
            [each["alg"] for each in options["pubKeyCredParams"]],
            exclude=[decode(each["id"]) for each in options["excludeCredentials"]],
            resident=resident,
            present=self.present,
        )
        return {"client_data": encode(client_data), "attestation": encode(attestation)}

    def get(self, challenge: bytes, credentials: Sequence[str]) -> dict[str, str]:
        """navigator.credentials.get: the factor of a login."""
        client_data = self.collect("webauthn.get", challenge)
        allow = [decode(each) for each in credentials]
        signed = self.authenticator.get_assertion(
            self.rp_id, sha256(client_data), allow, present=self.present
        )
        return {
            "kind": "passkey",
            "credential": encode(signed.credential),
            "client_data": encode(client_data),
            "authenticator_data": encode(signed.authenticator_data),
            "signature": encode(signed.signature),
        }

    def collect(self, kind: str, challenge: bytes) -> bytes:
        """The client data of a ceremony (WebAuthn §5.8.1)."""
        members = {
            "type": kind,
            "challenge": encode(challenge),
            "origin": self.origin,
            "crossOrigin": False,
            **self.said,
        }
        kept = {name: value for name, value in members.items() if value is not None}
        return json.dumps(kept, separators=(",", ":")).encode()
