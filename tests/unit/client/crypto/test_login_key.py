"""The login key: the server's parameters are not trusted, and the password is normalised."""

from dataclasses import astuple, replace

import pytest

from solekey.crypto import (
    KdfParameters,
    LoginIdentity,
    LoginKey,
    UntrustedKdfParameters,
    accept_kdf_parameters,
    derive_login_key,
)
from solekey.errors import EmptyPasswordError, KdfDowngradeError, KdfExcessiveError, KdfParametersError
from solekey_protocol.statements import verify_signature
from tests.support.crypto.fixtures import counting

SENT = {"algorithm": "argon2id", "memory_kib": 65536, "iterations": 3, "lanes": 4, "salt": "80" * 16}
ANA = LoginIdentity("https://solekey.example", "ana")
FLOOR = UntrustedKdfParameters.parse(SENT)


def test_the_floor_is_accepted_and_comes_back():
    parameters = accept_kdf_parameters(FLOOR)
    assert parameters.encode() == SENT
    assert UntrustedKdfParameters.parse(parameters.encode()) == FLOOR
    assert parameters == KdfParameters.make(lambda size: b"\x80" * size)


def test_the_ceiling_is_accepted():
    ceiling = UntrustedKdfParameters(1024 * 1024, 16, 16, bytes(64))
    assert astuple(accept_kdf_parameters(ceiling)) == astuple(ceiling)


@pytest.mark.parametrize(
    "weaker",
    [{"memory_kib": 65535}, {"iterations": 2}, {"lanes": 3}, {"salt": bytes(15)}, {"memory_kib": -1}],
)
def test_weaker_is_refused(weaker):
    with pytest.raises(KdfDowngradeError) as caught:
        accept_kdf_parameters(replace(FLOOR, **weaker))
    assert caught.value.code == "kdf_downgrade"
    assert "not used" in caught.value.diagnostics()


def test_weaker_is_refused_even_when_something_else_is_excessive():
    with pytest.raises(KdfDowngradeError):
        accept_kdf_parameters(replace(FLOOR, memory_kib=2**40, iterations=1))


@pytest.mark.parametrize(
    "excessive", [{"memory_kib": 2**20 + 1}, {"iterations": 17}, {"lanes": 17}, {"salt": bytes(65)}]
)
def test_excessive_is_refused(excessive):
    with pytest.raises(KdfExcessiveError):
        accept_kdf_parameters(replace(FLOOR, **excessive))


@pytest.mark.parametrize(
    "sent",
    [
        None,
        [],
        {},
        SENT | {"extra": 1},
        SENT | {"algorithm": "pbkdf2"},
        SENT | {"memory_kib": "65536"},
        SENT | {"iterations": True},
        SENT | {"lanes": None},
        SENT | {"salt": 5},
        SENT | {"salt": "8"},
        SENT | {"salt": "zz" * 16},
        SENT | {"salt": "AA" * 16},
        SENT | {"salt": "80 " * 16},
    ],
)
def test_malformed_parameters_are_refused(sent):
    with pytest.raises(KdfParametersError) as caught:
        UntrustedKdfParameters.parse(sent)
    assert caught.type is KdfParametersError


def test_two_spellings_of_a_password_are_one_and_two_passwords_are_two():
    parameters = accept_kdf_parameters(FLOOR)
    composed = derive_login_key("caf\u00e9 \ufb01", parameters, ANA)
    assert type(composed) is LoginKey
    assert composed == derive_login_key("cafe\u0301 fi", parameters, ANA)
    assert composed != derive_login_key("cafe fi", parameters, ANA)
    assert composed != derive_login_key("caf\u00e9 fi", replace(parameters, salt=counting(1, 16)), ANA)
    verify_signature(composed.public_key, b"challenge", composed.sign(b"challenge"))


def test_an_empty_password_is_refused():
    with pytest.raises(EmptyPasswordError) as caught:
        derive_login_key("", accept_kdf_parameters(FLOOR), ANA)
    assert "password" in caught.value.diagnostics()


def test_no_table_of_passwords_serves_two_users_or_two_servers():
    """A server that sends everybody the same salt gains nothing: each derives under another one."""
    parameters = accept_kdf_parameters(replace(FLOOR, salt=bytes(16)))
    identities = [ANA, replace(ANA, username="bob"), replace(ANA, origin="https://other.example")]
    keys = {derive_login_key("correct horse", parameters, identity).public_key for identity in identities}
    assert len(keys) == len({identity.bind(bytes(16)) for identity in identities}) == 3
    same = derive_login_key("correct horse", parameters, replace(ANA, username="ANA"))
    assert same.public_key in keys
