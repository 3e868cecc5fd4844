"""Device keys: id and thumbprint. Spec: keys.md §7."""

from vector_makers.primitives import (
    DEVICE_SEED,
    encode_base64url,
    encode_id,
    encode_json,
    public_key,
    sha256,
)
from vector_makers.vector import Vector, VectorFile


def make_file() -> VectorFile:
    """Make the vectors."""
    seeds = {"counting": DEVICE_SEED, "zeros": bytes(32), "ones": b"\xff" * 32}
    return VectorFile(
        "device_key",
        "keys.md",
        "The public half of a device key, the device's id and its JWK thumbprint.",
        [
            Vector(
                f"a seed: {name}",
                "§7",
                "Id and thumbprint follow from the public key alone.",
                {"seed": seed.hex()},
                output=_describe(public_key(seed)),
            )
            for name, seed in seeds.items()
        ],
    )


def _describe(public: bytes) -> dict[str, str]:
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": encode_base64url(public)}
    return {
        "public_key": public.hex(),
        "device_id": encode_id("dev", sha256(b"solekey/v1/device-id\x00" + public)[:16]),
        "thumbprint": encode_base64url(sha256(encode_json(jwk))),
    }
