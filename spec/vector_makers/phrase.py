"""Recovery phrases. Spec: keys.md §3.1."""

from functools import cache

from mnemonic import Mnemonic

from vector_makers.primitives import USER_KEY, sha256
from vector_makers.vector import Vector, VectorFile


@cache
def _words() -> tuple[str, ...]:
    return tuple(Mnemonic("english").wordlist)


def encode_phrase(user_key: bytes) -> str:
    """Encode 32 bytes as 24 words, by the letter of BIP-39."""
    bits = int.from_bytes(user_key + sha256(user_key)[:1], "big")
    return " ".join(_words()[bits >> 11 * (23 - place) & 0x7FF] for place in range(24))


PHRASE = encode_phrase(USER_KEY)
WORDS = PHRASE.split()


def make_file() -> VectorFile:
    """Make the vectors."""
    vectors = [*_accepted(), *_unknown_words(), *_wrong_lengths(), *_bad_checksums()]
    return VectorFile("phrase", "keys.md", "24 words, and what is no recovery phrase.", vectors)


def _accepted() -> list[Vector]:
    keys = {"the example": USER_KEY, "zeros": bytes(32), "ones": b"\xff" * 32, "0x80": b"\x80" * 32}
    spellings = {
        "upper case": (PHRASE.upper(), "A to Z are folded to lower case."),
        "each word capitalised": (PHRASE.title(), "A to Z are folded to lower case."),
        "two spaces, and around": (f"  {PHRASE.replace(' ', '  ')}  ", "White space is skipped."),
        "tabs and line ends": (
            "\r\n".join("\t".join(WORDS[i : i + 6]) for i in (0, 6, 12, 18)),
            "A printed table.",
        ),
        "no-break and ideographic spaces": (
            PHRASE.replace(" ", "\u00a0", 5).replace(" ", "\u3000", 5),
            "White space is Unicode's White_Space.",
        ),
    }
    return [
        *(_accept(name, encode_phrase(key), key, "24 words, single spaces.") for name, key in keys.items()),
        *(_accept(name, phrase, USER_KEY, why) for name, (phrase, why) in spellings.items()),
    ]


def _accept(name: str, phrase: str, key: bytes, why: str) -> Vector:
    output = {"user_key": key.hex(), "phrase": encode_phrase(key)}
    return Vector(name, "§3.1", why, {"phrase": phrase}, output=output)


def _unknown_words() -> list[Vector]:
    def replaced(position: int, word: str) -> str:
        return " ".join([*WORDS[: position - 1], word, *WORDS[position:]])

    cases = {
        "a typo": (replaced(3, "liarr"), 3, "liarr", "The word and its position are named."),
        "the first of two typos": (
            replaced(2, "amont").replace("unaware", "unawar"),
            2,
            "amont",
            "The first is named.",
        ),
        "a typo in capitals": (replaced(24, "UNAWAR"), 24, "unawar", "The word is named as it was folded."),
        "four letters of a word": (replaced(1, "aban"), 1, "aban", "Prefixes are not completed."),
        "a typo among 23 words": (
            " ".join([*WORDS[:22], "zo"]),
            23,
            "zo",
            "An unknown word is told before the length.",
        ),
        "commas": (PHRASE.replace(" ", ", "), 1, "abandon,", "Only white space separates words."),
        "a zero-width space": (replaced(4, "amount\u200b"), 4, "amount\u200b", "U+200B is no white space."),
        "a full-width letter": (replaced(1, "\uff41bandon"), 1, "\uff41bandon", "Words are not normalised."),
        "a Kelvin sign": (replaced(5, "\u212aeep"), 5, "\u212aeep", "Only A to Z are folded."),
        "a separator control": (
            replaced(2, "amount\x1cliar"),
            2,
            "amount\x1cliar",
            "U+001C is no White_Space.",
        ),
        "a word of the Spanish list": (replaced(1, "abaco"), 1, "abaco", "English list only."),
    }
    return [
        Vector(
            name,
            "§3.1 word",
            why,
            {"phrase": phrase},
            "phrase_unknown_word",
            output={"position": position, "word": word},
        )
        for name, (phrase, position, word, why) in cases.items()
    ]


def _wrong_lengths() -> list[Vector]:
    cases = {
        "nothing": ("", "No words."),
        "white space": (" \t\n", "No words."),
        "23 words": (" ".join(WORDS[:23]), "A word is missing."),
        "25 words": (f"{PHRASE} abandon", "A word too many."),
        "12 words": ("abandon " * 11 + "about", "BIP-39 knows 12 words; a user key has 24."),
        "48 words": (f"{PHRASE} {PHRASE}", "Twice the phrase."),
    }
    return [
        Vector(name, "§3.1 length", why, {"phrase": phrase}, "phrase_wrong_length")
        for name, (phrase, why) in cases.items()
    ]


def _bad_checksums() -> list[Vector]:
    cases = {
        "another last word": (" ".join([*WORDS[:23], "zoo"]), "The last 8 bits are the checksum."),
        "another first word": (" ".join(["ability", *WORDS[1:]]), "A word mistaken for another."),
        "two words exchanged": (" ".join([WORDS[1], WORDS[0], *WORDS[2:]]), "The order counts."),
        "one word 24 times": ("abandon " * 23 + "abandon", "The checksum of zeros is not zero."),
    }
    return [
        Vector(name, "§3.1 checksum", why, {"phrase": phrase}, "phrase_bad_checksum")
        for name, (phrase, why) in cases.items()
    ]
