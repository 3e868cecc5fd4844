"""``pkcs11:…`` for a device key: made on the token, never outside of it. Spec: key-providers.md §5."""

from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass, Session

from solekey.crypto import Confidential, DeviceKey, RandomSource
from solekey.errors import DeviceKeyMissingError, ProviderError, TokenError, TokenUnsuitableError
from solekey.providers.pkcs11_uri import Pkcs11Uri
from solekey.providers.question import Ask
from solekey.providers.token import OpenToken, TokenObject, open_token, verify_mechanisms
from solekey.providers.token_provider import verify_unextractable
from solekey_protocol.ids import PublicKey, SignatureHex

DEFAULT_OBJECT: Final = "solekey-device"
_ID_BYTES: Final = 16
_KEY_BYTES: Final = 32
_ED25519_OID: Final = bytes.fromhex("06032b6570")  # 1.3.101.112, DER; what PKCS#11 3.0 calls a curveName
_POINT_HEADERS: Final = (b"\x04\x20", b"\x03\x21\x00", b"")  # DER OCTET STRING, BIT STRING, or bare


class TokenDeviceKey(Confidential, DeviceKey):
    """An Ed25519 key on a token; logs in when it signs for the first time."""

    __slots__ = ("_ask", "_held", "_public_key", "_uri")

    def __init__(self, uri: Pkcs11Uri, public_key: PublicKey, ask: Ask) -> None:
        self._uri = uri
        self._public_key = public_key
        self._ask = ask
        self._held: tuple[OpenToken, TokenObject] | None = None

    @classmethod
    def make(cls, uri: Pkcs11Uri, ask: Ask, random: RandomSource) -> "TokenDeviceKey":
        """Make a key pair on the token. Raises TokenUnsuitableError where the token has no Ed25519."""
        token = open_token(uri, ask)
        with token.use() as session:
            public, private = _make_pair(session, uri.object or DEFAULT_OBJECT, random(_ID_BYTES))
            try:
                verify_unextractable(private)
                public_key = _parse_public_key(public)
            except TokenUnsuitableError:
                private.destroy()
                public.destroy()
                raise
        return cls(uri, public_key, ask)

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what this one signs; known without the token."""
        return self._public_key

    def sign(self, message: bytes) -> SignatureHex:
        """Have the token sign (CKM_EDDSA, pure Ed25519), and verify what it says.

        Raises:
            TokenMissingError: the token is not there.
            DeviceKeyMissingError: it does not have this key any more.
            TokenError: anything else, a signature that does not verify among it.
        """
        token, private = self._reach()
        try:
            with token.use():
                signature = bytes(private.sign(message, mechanism=Mechanism.EDDSA))
        except ProviderError:
            self._held = None
            raise
        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(self._public_key)).verify(signature, message)
        except InvalidSignature as error:
            raise TokenError(f"{token.name}: the token's signature does not verify") from error
        return SignatureHex(signature.hex())

    def _reach(self) -> tuple[OpenToken, TokenObject]:
        """Find the private key once; finding it for each signature would be slow on a smart card."""
        if self._held is None or self._held[0].closed:
            token = open_token(self._uri, self._ask)
            with token.use() as session:
                self._held = token, self._find_private(session)
        return self._held

    def _find_private(self, session: Session) -> TokenObject:

        label = self._uri.object or DEFAULT_OBJECT
        for public in _find(session, ObjectClass.PUBLIC_KEY, {Attribute.LABEL: label}):
            if _parse_public_key(public) == self._public_key:
                found = _find(session, ObjectClass.PRIVATE_KEY, {Attribute.ID: public[Attribute.ID]})
                if found:
                    return found[0]
        raise DeviceKeyMissingError(f"the token {self._uri.name} does not have this device's key")


def _make_pair(session: Session, label: str, key_id: bytes) -> tuple[TokenObject, TokenObject]:

    verify_mechanisms(session, Mechanism.EC_EDWARDS_KEY_PAIR_GEN, Mechanism.EDDSA)
    curve = session.create_domain_parameters(
        KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: _ED25519_OID}, local=True
    )
    return curve.generate_keypair(
        mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
        label=label,
        id=key_id,
        store=True,
        capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
        private_template={Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
    )


def _find(session: Session, kind: ObjectClass, template: dict[Attribute, Any]) -> list[TokenObject]:

    return list(
        session.get_objects({Attribute.CLASS: kind, Attribute.KEY_TYPE: KeyType.EC_EDWARDS, **template})
    )


def _parse_public_key(public: TokenObject) -> PublicKey:
    point = bytes(public[Attribute.EC_POINT])
    for header in _POINT_HEADERS:
        if point.startswith(header) and len(point) == len(header) + _KEY_BYTES:
            return PublicKey(point[len(header) :].hex())
    raise TokenUnsuitableError("the token's public key is not an Ed25519 key")
