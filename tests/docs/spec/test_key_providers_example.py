"""The example of spec/key-providers.md is what the code computes."""

import re
import unicodedata

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from solekey import errors
from solekey.crypto.hkdf import Label, derive_key_block
from solekey.providers.key_file import open_key_file, seal_key_file
from tests.support.client.places import ADA, make_key
from tests.support.crypto.fixtures import counting
from tests.support.repository import ROOT

PAGE = ROOT / "spec" / "key-providers.md"
PASSPHRASE = "cafe\u0301 au lait noir"


def compute_example() -> dict[str, str]:
    sealed = seal_key_file(make_key(), ADA, PASSPHRASE, lambda size: counting(0x80, size))
    normalised, salt, context = unicodedata.normalize("NFKC", PASSPHRASE).encode(), sealed[18:34], sealed[:66]
    stretched = Argon2id(salt=salt, length=32, iterations=3, lanes=4, memory_cost=65536).derive(normalised)
    key, commitment = derive_key_block(stretched, salt=salt, label=Label.KEY_FILE, context=context)
    assert sealed[66:98] == commitment
    return {
        "account": ADA,
        "account raw": ADA.raw.hex(),
        "user key": bytes(make_key().expose()).hex(),
        "key id": make_key().derive_key_id(ADA),
        "passphrase, NFKC": normalised.hex(),
        "salt": salt.hex(),
        "stretched": stretched.hex(),
        "key": key.hex(),
        "context": context.hex(),
        "key file": sealed.hex(),
    }


def read_example() -> dict[str, str]:
    block = re.search(r"```example\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block
    return dict(line.split(": ", 1) for line in block[1].splitlines())


def test_each_example_line_is_recomputed():
    assert read_example() == compute_example()


def test_the_example_opens():
    assert open_key_file(bytes.fromhex(read_example()["key file"]), ADA, PASSPHRASE) == make_key()


def test_the_page_names_every_error():
    page = PAGE.read_text()
    section = page[page.index("## 7. Errors") : page.index("## 8. Limits")]
    codes = {
        error.code
        for name in errors.__all__
        if isinstance(error := getattr(errors, name), type) and issubclass(error, errors.ProviderError)
    }
    assert set(re.findall(r"`([a-z_]+)`", section)) == codes - {"provider_failed"} | {"unsupported_format"}
