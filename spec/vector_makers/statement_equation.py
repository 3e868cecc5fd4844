"""Signatures by which verifiers of Ed25519 differ: conventions.md §4 says which verify."""

from collections.abc import Callable
from itertools import count

from vector_makers import curve
from vector_makers.primitives import encode_json, sha256
from vector_makers.saying import LABEL, REVOKED, TWO, Signed, say
from vector_makers.vector import Vector

_SECRET = int.from_bytes(sha256(b"a secret scalar"), "little") % curve.L
_MIXED = curve.encode(curve.add(curve.multiply(_SECRET, curve.BASE), curve.ORDER_8))
"""A public key with a part of small order: it is not of small order itself, so it is a public key."""
_PURE = curve.encode(curve.multiply(_SECRET, curve.BASE))
_MESSAGE = LABEL + encode_json(REVOKED)


def make_vectors() -> list[Vector]:
    """Make the vectors."""
    refused = {
        "by a key with a part of small order": (
            _sign_mixed(lambda challenge: challenge % 8 != 0),
            "Only eight times the equation holds: a verifier must not multiply by the cofactor.",
        ),
        "whose R has a part of small order": (
            _sign(_PURE, 1, curve.ORDER_8),
            "Only eight times the equation holds: a verifier must not multiply by the cofactor.",
        ),
        "whose R is spelt otherwise": (
            _sign(_PURE, 0, spelt=(curve.P + 1).to_bytes(32, "little")),
            "R is compared as bytes: y = p + 1 is no encoding.",
        ),
    }
    accepted = {
        "a key with a part of small order, by chance": (
            _sign_mixed(lambda challenge: challenge % 8 == 0),
            "The equation holds, and nothing else is asked of a key than what §2 says.",
        ),
        "an R of small order": (_sign(_PURE, 0), "The equation holds, and nothing else is asked of R."),
    }
    return [
        *(
            Vector(f"verifies: {name}", "§4 signature", why, signed.to_input(), output=signed.to_output())
            for name, (signed, why) in accepted.items()
        ),
        *(
            Vector(
                f"signature: a signature {name}",
                "§4 signature",
                why,
                signed.to_input(),
                "signature_invalid",
                "signature",
            )
            for name, (signed, why) in refused.items()
        ),
    ]


def _sign_mixed(wanted: Callable[[int], bool]) -> Signed:
    """Sign until the challenge is a wanted one."""
    return next(
        _sign(_MIXED, nonce)
        for nonce in count(1)
        if wanted(curve.hash_challenge(curve.encode(curve.multiply(nonce, curve.BASE)), _MIXED, _MESSAGE))
    )


def _sign(key: bytes, nonce: int, beside: curve.Point = curve.IDENTITY, spelt: bytes | None = None) -> Signed:
    """Sign the statement with the secret of ``key``, and R as it is asked for."""
    r = spelt or curve.encode(curve.add(curve.multiply(nonce, curve.BASE), beside))
    s = (nonce + curve.hash_challenge(r, key, _MESSAGE) * _SECRET) % curve.L
    signature = (r + s.to_bytes(32, "little")).hex()
    return Signed(REVOKED, {**say(REVOKED).signatures, "device": signature}, TWO, {"device": key.hex()})
