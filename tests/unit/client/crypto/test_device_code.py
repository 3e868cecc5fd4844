"""Device codes: the example of spec/devices.md from both ends, what they depend on, what a parser takes."""

import hashlib
import re

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from solekey.crypto.device_code import DeviceCode, _derive_half
from solekey.errors import DeviceCodeError
from solekey_protocol.ids import AccountId, KeyId, PublicKey
from tests.support.repository import ROOT

PAGE = (ROOT / "spec/devices.md").read_text()


@pytest.fixture(scope="module")
def written():
    block = re.search(r"```example\n(.*?)```", PAGE, re.DOTALL)
    return dict(line.split(": ", 1) for line in block[1].splitlines())


def derive(written, **others):
    said = {**written, **others}
    return DeviceCode.derive(
        AccountId(said["account"]),
        PublicKey(said["account key"]),
        KeyId(said["key id"]),
        PublicKey(said["device key"]),
    )


def test_the_example_is_what_the_client_computes(written):
    code = derive(written)
    assert code.encode_text() == written["code"]
    assert code.encode_qr() == written["qr"]


@pytest.mark.parametrize("half", ["account", "device"])
def test_the_example_is_what_the_page_says(written, half):
    """From the page alone, without the client's code."""
    label = f"solekey/v1/device-code/{half}".encode()
    salt = hashlib.sha256(label + b"\x00" + AccountId(written["account"]).raw).digest()[:16]
    assert salt.hex() == written[f"{half} salt"]
    message = written["account key"] + written["key id"] if half == "account" else written["device key"]
    tag = Argon2id(salt=salt, length=16, iterations=3, lanes=4, memory_cost=64 * 1024).derive(
        bytes.fromhex(message)
    )
    assert tag.hex() == written[f"{half} tag"]
    size = 15 if half == "account" else 20
    digits = f"{int.from_bytes(tag, 'big') % 10**size:0{size}}"
    assert digits in written["qr"]
    assert "".join(written["code"].split())[15 * (half == "device") :][:size] == digits


@pytest.mark.parametrize(
    ("changed", "account_half", "device_half"),
    [
        ({"account": "acc_" + "b" * 25 + "a"}, False, False),
        ({"account key": "aa" * 32}, False, True),
        ({"key id": "ff" * 16}, False, True),
        ({"device key": "aa" * 32}, True, False),
    ],
    ids=["account", "account key", "key id", "device key"],
)
def test_each_half_depends_on_what_it_is_made_of(written, quick, changed, account_half, device_half):
    code, other = derive(written), derive(written, **changed)
    assert (code.account_half == other.account_half) is account_half
    assert (code.device_half == other.device_half) is device_half


def test_a_code_with_leading_zeros_keeps_them():
    code = DeviceCode("0" * 14 + "1", "0" * 20)
    assert code.encode_text() == "00000 00000 00001 00000 00000 00000 00000"
    assert DeviceCode.parse(code.encode_text()) == code


@pytest.mark.parametrize(
    "text",
    [
        "91035 99786 73236 66661 14938 35978 13904",
        "91035997867323666661149383597813904",
        "91035-99786-73236-66661-14938-35978-13904\n",
        "SOLEKEY-DEVICE:91035997867323666661149383597813904",
        "solekey-device:91035 99786 73236 66661 14938 35978 13904",
    ],
)
def test_a_code_is_read_however_it_is_spelt(text):
    assert DeviceCode.parse(text).encode_text() == "91035 99786 73236 66661 14938 35978 13904"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9" * 34,
        "9" * 36,
        "SOLEKEY-DEVICE:",
        "SOLEKEY-KIT:" + "9" * 35,
        "9" * 34 + "x",
        "\uff19" * 35,  # full-width digits
        "\u0663" * 30,  # Arabic ones
        "+" + "9" * 34,
        "9_" * 15,
    ],
)
def test_what_is_no_code_is_refused(text):
    with pytest.raises(DeviceCodeError):
        DeviceCode.parse(text)


@pytest.fixture
def quick(monkeypatch):
    """Less memory: what a half depends on does not hang on it."""
    from solekey.crypto import device_code

    _derive_half.cache_clear()
    monkeypatch.setattr(device_code, "_MEMORY_KIB", 64)
    yield
    _derive_half.cache_clear()
