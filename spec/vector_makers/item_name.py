"""Which names of items are the same. Spec: envelope.md §5.1."""

from vector_makers.vector import Vector, VectorFile

# By hand, from the Unicode character database: no library's normalisation makes what it is compared with.
FOLDED = {
    "plain ASCII": ("notes.txt", "notes.txt", "Nothing to compose."),
    "case": ("Notes", "Notes", "Case counts."),
    "composed": ("caf\u00e9", "caf\u00e9", "In NFC already."),
    "decomposed": ("cafe\u0301", "caf\u00e9", "e and U+0301 are composed, as on macOS."),
    "two marks in another order": ("a\u0323\u0302", "\u1ead", "Marks are ordered first: 220 before 230."),
    "two marks, swapped": ("a\u0302\u0323", "\u1ead", "The same name as the one before."),
    "Hangul syllables": ("\u1112\u1161\u11ab", "\ud55c", "Jamo are composed."),
    "a singleton": ("\u212b", "\u00c5", "The sign of the angstrom is a letter with a ring."),
    "a singleton that looks alike": ("\u2126", "\u03a9", "The sign of the ohm is omega."),
    "an excluded composition": ("\u0958", "\u0915\u093c", "Excluded from composition: it is taken apart."),
    "a compatibility character": ("\ufb01", "\ufb01", "No NFKC: the ligature fi is no f and i."),
    "full width": ("\uff21", "\uff21", "No NFKC."),
    "another script": ("p\u0430ypal", "p\u0430ypal", "Cyrillic a is no Latin a: the names differ."),
    "an invisible character": ("a\u200db", "a\u200db", "It counts; whoever shows the name shows it."),
    "a no-break space": ("a\u00a0b", "a\u00a0b", "It is no space."),
    "an emoji": ("\U0001f511", "\U0001f511", "Beyond 16 bits, one code point."),
}


def make_file() -> VectorFile:
    """Make the vectors."""
    return VectorFile(
        "item_name",
        "envelope.md",
        "Names of items, and what they are compared by.",
        [
            Vector(name, "§5.1", why, {"name": given}, output={"folded": folded})
            for name, (given, folded, why) in FOLDED.items()
        ],
    )
