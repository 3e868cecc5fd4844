"""DPoP proofs (RFC 9449): each request shows that it comes from the device that the token is bound to.

Wire format: a compact JWS (RFC 7515), header ``{"alg":"EdDSA","jwk":…,"typ":"dpop+jwt"}``, payload
``{"ath"?,"htm","htu","iat","jti","nonce"?}``. Spec: tokens.md §3.
"""

import hashlib

from solekey.crypto import DeviceKey
from solekey_protocol.encoding import Json, encode_base64url, encode_json

JTI_BYTES = 16


def make_proof(
    device_key: DeviceKey,
    *,
    method: str,
    url: str,
    iat: int,
    jti: bytes,
    access_token: str | None = None,
    nonce: str | None = None,
) -> str:
    """Make the proof for one request.

    Args:
        device_key: the key that the session is bound to.
        method: the HTTP method.
        url: origin and path, without query and fragment (RFC 9449 §4.2).
        iat: now, in seconds since 1970.
        jti: 16 random bytes; the server takes each once.
        access_token: the token that goes along, if any; its hash is bound (`ath`).
        nonce: the newest one that the service gave, if it gave any (RFC 9449 §8, §9).
    """
    header: dict[str, Json] = {"alg": "EdDSA", "typ": "dpop+jwt", "jwk": device_key.public_jwk}
    payload: dict[str, Json] = {"htm": method, "htu": url, "iat": iat, "jti": jti.hex()}
    if access_token is not None:
        payload["ath"] = encode_base64url(hashlib.sha256(access_token.encode()).digest())
    if nonce is not None:
        payload["nonce"] = nonce
    signing_input = f"{encode_base64url(encode_json(header))}.{encode_base64url(encode_json(payload))}"
    signature = bytes.fromhex(device_key.sign(signing_input.encode()))
    return f"{signing_input}.{encode_base64url(signature)}"
