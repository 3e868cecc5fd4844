"""The ways to lie, by family; a module adds its classes to the family that it imports."""

from typing import Final

from tamper.classes import archived, dues, forgery, sagas, spelling, subtle, together, twice, untied
from tamper.classes.bundles import BUNDLES
from tamper.classes.bus import BUS
from tamper.classes.collusion import COLLUSION
from tamper.classes.facts import FACTS
from tamper.classes.history import HISTORY
from tamper.classes.last_audit import LAST_AUDIT
from tamper.classes.stored import STORED
from tamper.classes.withheld import WITHHELD
from tamper.tampering import Family

CONTINUED: Final = (forgery, spelling, dues, sagas, subtle, together, twice, archived, untied)
"""The modules that go on with a family, in the order of its numbers: that in which they are imported."""
FAMILIES: Final[tuple[Family, ...]] = (
    HISTORY,
    WITHHELD,
    FACTS,
    COLLUSION,
    BUS,
    STORED,
    BUNDLES,
    LAST_AUDIT,
)
"""In the order of their letters."""
