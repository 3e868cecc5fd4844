"""The device key, its id and its thumbprint."""

import pytest

from solekey.crypto import SoftwareDeviceKey
from solekey_protocol.ids import derive_device_id
from solekey_protocol.statements import verify_signature
from tests.support.crypto.fixtures import counting


def test_the_thumbprint_is_that_of_rfc_8037():
    # RFC 8037, appendix A.1 and A.3.
    key = SoftwareDeviceKey.from_private_bytes(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )
    assert key.public_jwk["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert key.thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_storage_brings_the_key_back():
    key = SoftwareDeviceKey.make(lambda size: counting(5, size))
    again = SoftwareDeviceKey.from_private_bytes(key.to_private_bytes())
    assert again == key
    assert again.device_id == derive_device_id(key.public_key)
    verify_signature(again.public_key, b"statement", key.sign(b"statement"))


@pytest.mark.parametrize("size", [0, 31, 64])
def test_another_length_is_refused(size):
    with pytest.raises(ValueError, match="32 bytes"):
        SoftwareDeviceKey.from_private_bytes(bytes(size))
