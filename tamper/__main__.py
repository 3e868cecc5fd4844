"""``make tamper``: try every class, print the table, write build/tamper.json; exit 1 if one slips through."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from solekey.audit import verify_log
from tamper.classes import FAMILIES
from tamper.going_on import judge_twice
from tamper.judging import Judgement
from tamper.stories import HONEST
from tamper.tampering import BOUNDS, Outcome, vouch
from tamper.writing import Written, write

RESULT = Path(__file__).parents[1] / "build" / "tamper.json"


def main(arguments: Sequence[str]) -> int:
    """Try the classes, or those whose id begins with one of the arguments."""
    began = time.monotonic()
    judgements = []
    for family in FAMILIES:
        _say(f"{family.letter}  {family.title}")
        for each in family.classes:
            if not arguments or each.id.startswith(tuple(arguments)):
                judgements.append(judge_twice(each))
                _print(judgements[-1])
    controls = {
        name: list(map(str, verify_log(w.records, vouch(w), BOUNDS).findings)) for name, w in _write()
    }
    _say("honest controls")
    for name, findings in controls.items():
        _say(f"  {'clean' if not findings else 'FOUND ' + findings[0]:8} {name}")
    return _conclude(judgements, controls, time.monotonic() - began)


def _write() -> list[tuple[str, Written]]:
    return [(name, write(tell())) for name, tell in HONEST.items()]


def _print(judgement: Judgement) -> None:
    each = judgement.tampering
    how = "SLIPPED THROUGH" if not judgement.ok else each.outcome.value
    how += ", named" if judgement.named else ""
    _say(f"  {each.id} {how:17} {each.what}")
    if each.outcome is Outcome.IMPOSSIBLE or not judgement.ok:
        _say(f"      {each.reason or 'found: ' + (', '.join(judgement.found) or 'nothing')}")


def _conclude(judgements: list[Judgement], controls: dict[str, list[str]], took_s: float) -> int:
    counts = {
        outcome.value: sum(each.ok and each.tampering.outcome is outcome for each in judgements)
        for outcome in Outcome
    }
    named = sum(each.named for each in judgements)
    slipped = [each.tampering.id for each in judgements if not each.ok]
    RESULT.parent.mkdir(exist_ok=True)
    document = {
        "classes": len(judgements),
        **counts,
        "named": named,
        "slipped_through": slipped,
        "honest_controls": controls,
        "results": [each.summary() for each in judgements],
    }
    RESULT.write_text(json.dumps(document, indent=2) + "\n")
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    _say(
        f"{len(judgements)} classes in {took_s:.0f} s: {told}; {named} named; {len(slipped)} slipped through"
    )
    return 1 if slipped or any(controls.values()) else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
