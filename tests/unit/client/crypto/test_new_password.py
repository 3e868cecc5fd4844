"""What may become a password: length counts, not what an attacker knows beforehand. Spec: keys.md §6.4."""

import pytest

from solekey.crypto.new_password import CONTEXT_WORDS, verify_new_password
from solekey.errors import WeakPasswordError

USERNAME = "ada.lovelace@example.org"


@pytest.mark.parametrize("password", ["12345678", "correct horse", "a       ", "ÄÖÜäöüßé", "ada1234 5678"])
def test_eight_characters_of_any_kind_are_enough(password):
    assert verify_new_password(password, USERNAME) == password


@pytest.mark.parametrize(
    "password",
    [
        "",
        "1234567",
        "ada.lovelace@example.org",
        "Lovelace-ADA-2026",
        "lovelaceexample",
        "Solekey123",
        "Password1234567",
        "ＰＡＳＳＷＯＲＤpassword",  # noqa: RUF001 - full width
        "solesolekeykey",
    ],
)
def test_what_would_be_tried_first_is_refused(password):
    with pytest.raises(WeakPasswordError) as refused:
        verify_new_password(password, USERNAME)
    assert not password or password not in str(refused.value) + refused.value.diagnostics()


@pytest.mark.parametrize("word", CONTEXT_WORDS)
def test_every_word_of_the_context_is_taken_out(word):
    with pytest.raises(WeakPasswordError):
        verify_new_password(f"{word.upper()}1234567", "somebody")
    verify_new_password(f"{word}12345678", "somebody")


def test_the_page_names_every_word(request):
    page = (request.config.rootpath / "spec" / "keys.md").read_text()
    assert all(f"`{word}`" in page for word in CONTEXT_WORDS)


def test_short_parts_of_a_user_name_count_as_any_characters():
    assert verify_new_password("ab-cd-ef-gh", "ab.cd@ef-gh")
