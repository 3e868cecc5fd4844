"""Names of places: what is taken, what is refused, and that nothing secret is repeated."""

from pathlib import Path

import pytest

from solekey.errors import ExtraMissingError, SpecError
from solekey.providers import open_provider
from solekey.providers.device_key_store import parse_device_spec
from solekey.providers.pkcs11_uri import Pkcs11Uri, parse_pkcs11_uri
from solekey.providers.spec import make_absolute, parse_spec
from tests.support.client.places import ADA, Answers, make_key
from tests.support.spoken_words import repeats


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "file",
        "file:",
        "file:folder/",
        "file://host/key",
        "file:a\x00b",
        "vault:x",
        "FILE:/x",
        "prompt:words",
        "keyring:a b",
        "keyring:" + "x" * 65,
        "pkcs11:token",
        "pkcs11:colour=red",
        "/media/stick/ada.key",
    ],
)
def test_a_malformed_spec_is_refused(spec):
    with pytest.raises(SpecError):
        open_provider(spec, account=ADA, ask=Answers())


def test_an_unknown_scheme_names_the_known_ones():
    with pytest.raises(SpecError, match=r"gpg:.*prompt:, file:PATH, keyring:\[NAME\], pkcs11:"):
        parse_spec("gpg:ada")


@pytest.mark.parametrize("pasted", ["{}", "{}:", "words:{}", "file {}"])
def test_words_that_were_pasted_in_the_place_of_a_spec_are_not_repeated(pasted):
    phrase = make_key().to_phrase()
    with pytest.raises(SpecError) as caught:
        parse_spec(pasted.format(phrase))
    assert not repeats(phrase, str(caught.value))


def test_a_remembered_path_means_the_same_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    assert make_absolute("file:ada.key") == f"file:{tmp_path}/ada.key"
    assert make_absolute("file:~/ada.key") == "file:/home/ada/ada.key"
    assert parse_spec("file:///media/ada.key").path == Path("/media/ada.key")
    assert make_absolute("keyring:work") == "keyring:work"


@pytest.mark.parametrize(
    ("uri", "parsed"),
    [  # after the examples of RFC 7512 §3, as far as they name what is used here
        ("pkcs11:", Pkcs11Uri()),
        ("pkcs11:object=my-pubkey", Pkcs11Uri(object="my-pubkey")),
        (
            "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken",
            Pkcs11Uri(token="The Software PKCS#11 Softtoken"),
        ),
        (
            "pkcs11:token=Soft%20token;manufacturer=Snake%20Oil,%20Inc.?pin-source=file:/etc/token_pin",
            Pkcs11Uri(token="Soft token", manufacturer="Snake Oil, Inc.", pin_source=Path("/etc/token_pin")),
        ),
        ("pkcs11:object=key?pin-source=/etc/pin", Pkcs11Uri(object="key", pin_source=Path("/etc/pin"))),
        (
            "pkcs11:slot-id=327;serial=0a;model=x?module-path=/usr/lib/libmypkcs11.so.1",
            Pkcs11Uri(slot_id=327, serial="0a", model="x", module_path=Path("/usr/lib/libmypkcs11.so.1")),
        ),
        ("pkcs11:token=a%3Bb;object=%C3%A9", Pkcs11Uri(token="a;b", object="é")),
        ("pkcs11:token=a?pin-source=file:///p%20q", Pkcs11Uri(token="a", pin_source=Path("/p q"))),
    ],
)
def test_a_pkcs11_uri_is_read_as_rfc_7512_says(uri, parsed):
    assert parse_pkcs11_uri(uri) == parsed


@pytest.mark.parametrize(
    "uri",
    [
        "pkcs12:token=a",
        "pkcs11:token=a;token=b",
        "pkcs11:token=",
        "pkcs11:token=a;",
        "pkcs11:token=a b",
        "pkcs11:token=%zz",
        "pkcs11:token=%ff",
        "pkcs11:token=%00",
        "pkcs11:slot-id=one",
        "pkcs11:slot-id=-1",
        "pkcs11:module-path=/x",  # it belongs behind the question mark
        "pkcs11:token=a?module-path=relative.so",
        "pkcs11:token=a?module-name=mypkcs11",
        "pkcs11:token=a?pin-source=pin.txt",
        "pkcs11:token=a?pin-source=|/usr/bin/get-pin",
        "pkcs11:type=private",
    ],
)
def test_a_malformed_pkcs11_uri_is_refused(uri):
    with pytest.raises(SpecError):
        parse_pkcs11_uri(uri)


def test_a_pin_in_a_spec_is_refused_and_not_repeated():
    for uri in ("pkcs11:token=a?pin-value=271828", "pkcs11:token=a;pin-value=271828"):
        with pytest.raises(SpecError, match="PIN") as caught:
            parse_pkcs11_uri(uri)
        assert "271828" not in str(caught.value)


@pytest.mark.parametrize(("spec", "package"), [("keyring:", "keyring"), ("pkcs11:token=a", "pkcs11")])
def test_a_missing_extra_says_what_to_install(monkeypatch, spec, package):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(ExtraMissingError, match=rf"pip install 'solekey\[{package}\]'"):
        open_provider(spec, account=ADA, ask=Answers())


@pytest.mark.parametrize("spec", ["prompt:", "file:/x", "file:x", "pkcs11:colour=red", "nowhere:"])
def test_a_device_key_is_not_kept_anywhere_else(spec):
    with pytest.raises(SpecError):
        parse_device_spec(spec)
