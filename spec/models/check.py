"""Runs the models of spec/models with Spin and compares what it finds with what is expected. See README.md.

python spec/models/check.py            every model, two at a time
python spec/models/check.py NAME …     these, with the counter-example of each that is refuted
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "models"
TOGETHER = 2
LIMIT_S = 900
"""No model takes nearly as long; a run that does is a surprise, not a verdict."""

_SAID = re.compile(
    r"(?P<author>[ABT]) (?P<stream>devices|rotation|vault): +(?P<what>.*?) +"
    r"\(behind: (?P<one>\w+) (?P<one_behind>\d+), (?P<two>\w+) (?P<two_behind>\d+)\)"
)
_STEP = re.compile(r"(?:QUEUE|JOINS|HISTORY): (.*)")


class Verdict(StrEnum):
    """What the checker says of a model."""

    HOLDS = "holds"
    REFUTED = "refuted"


class Search(StrEnum):
    """How the states are gone through."""

    DEPTH = "depth"  # in little memory; its counter-examples are long
    BREADTH = "breadth"  # the shortest counter-example


@dataclass(frozen=True, slots=True)
class Model:
    """One run: rules, property and bounds, as definitions of a source, and what must come out."""

    name: str
    about: str
    expected: Verdict
    definitions: str
    search: Search = Search.DEPTH
    source: str = "authority.pml"

    @property
    def property(self) -> str:
        """The property that is checked."""
        return dict(each.partition("=")[::2] for each in self.definitions.split())["PROPERTY"]


@dataclass(frozen=True, slots=True)
class Result:
    """What one run has found."""

    model: Model
    found: Verdict | None
    states: int = 0
    seconds: float = 0.0
    trace: Sequence[str] = field(default=())
    problem: str = ""


def _old(name: str, about: str, definitions: str) -> Model:
    return Model(f"old/{name}", about, Verdict.REFUTED, f"RULES=OLD {definitions}", Search.BREADTH)


def _new(name: str, about: str, definitions: str) -> Model:
    return Model(f"new/{name}", about, Verdict.HOLDS, f"RULES=NEW PROPERTY=EVERY {definitions}")


def _mutant(name: str, about: str, definitions: str, search: Search = Search.BREADTH) -> Model:
    definition = f"WITHOUT_{name.partition(':')[0].upper().replace('-', '_')}"
    return Model(f"without/{name}", about, Verdict.REFUTED, f"RULES=NEW {definition} {definitions}", search)


def _joins(name: str, about: str, definitions: str, expected: Verdict = Verdict.HOLDS) -> Model:
    search = Search.DEPTH if expected is Verdict.HOLDS else Search.BREADTH
    return Model(f"joins/{name}", about, expected, definitions, search, "joins.pml")


def _joins_without(name: str, about: str, definitions: str) -> Model:
    definition = f"WITHOUT_{name.partition(':')[0].upper().replace('-', '_')}"
    return _joins(f"without-{name}", about, f"{definition} {definitions}", Verdict.REFUTED)


def _history(name: str, about: str, definitions: str, expected: Verdict = Verdict.HOLDS) -> Model:
    search = Search.DEPTH if expected is Verdict.HOLDS else Search.BREADTH
    return Model(f"history/{name}", about, expected, definitions, search, "history.pml")


def _history_without(name: str, prop: str, about: str, bounds: str = "REKEYS=0") -> Model:
    definition = f"WITHOUT_{name.partition(':')[0].upper().replace('-', '_')}"
    return _history(f"without-{name}", about, f"PROPERTY={prop} {definition} {bounds}", Verdict.REFUTED)


def _queue(name: str, about: str, expected: Verdict, definitions: str) -> Model:
    search = Search.DEPTH if expected is Verdict.HOLDS else Search.BREADTH
    return Model(f"queue/{name}", about, expected, definitions, search, "queue.pml")


def _queue_without(name: str, prop: str, about: str, bounds: str = "PUTS=0") -> Model:
    definitions = f"PROPERTY={prop} WITHOUT_{name.upper().replace('-', '_')} {bounds}"
    return _queue(f"without-{name}", about, Verdict.REFUTED, definitions)


_EVERY = "PROPERTY=EVERY"
_ONE_REKEY = "KINDS=2 ROTATIONS=1 COMMANDS=2"

MODELS = (
    _old(
        "F1",
        "a delayed account_key_changed after an abort",
        "PROPERTY=OPENABLE THIEF=ABSENT ROTATIONS=1 LAG=4",
    ),
    _old("F2", "a locked device shreds the data key", "PROPERTY=OPENABLE THIEF=LOCKED ROTATIONS=1 DAMAGES=1"),
    _old("F3", "a locked device removes everything", "PROPERTY=LOCKED_OUT THIEF=LOCKED ROTATIONS=1"),
    _old("F12", "a revoked device writes on", "PROPERTY=REVOKED THIEF=UNLOCKED ROTATIONS=1"),
    _new(
        "honest", "two devices, a damaged wrap, an unreadable item", "THIEF=ABSENT DAMAGES=1 SPOILED=1 FRUGAL"
    ),
    _new("late", "requests held back for long", "THIEF=ABSENT ROTATIONS=2 LAG=6 FRUGAL"),
    _new("every-claim", "as honest, needlessly new claims too", "THIEF=ABSENT ROTATIONS=2 DAMAGES=1"),
    _new("locked", "T has its device key alone", "THIEF=LOCKED ROTATIONS=2 DAMAGES=1 FRUGAL"),
    _new("revoked", "T knows the user key, and is revoked", "THIEF=UNLOCKED FRUGAL"),
    Model(
        "new/moves",
        "a revocation can be completed",
        Verdict.REFUTED,
        "RULES=NEW PROPERTY=REACHED THIEF=UNLOCKED ROTATIONS=2 FRUGAL PATIENT",
    ),
    _mutant(
        "verified",
        "a key takes over before its wraps were read back",
        "PROPERTY=OPENABLE THIEF=ABSENT ROTATIONS=1",
    ),
    _mutant("abandoned", "giving up is not said in devices", "PROPERTY=OPENABLE THIEF=ABSENT ROTATIONS=1"),
    _mutant(
        "every-epoch",
        "a live epoch may be left out",
        "PROPERTY=OPENABLE THIEF=ABSENT ROTATIONS=2 LAG=2 FRUGAL",
    ),
    _mutant(
        "left",
        "a re-key forgets what it could not open",
        "PROPERTY=OPENABLE THIEF=ABSENT ROTATIONS=1 LAG=2 SPOILED=1",
    ),
    _mutant(
        "seen",
        "heads may go back",
        "PROPERTY=REVOKED THIEF=UNLOCKED ROTATIONS=2 LAG=4 FRUGAL PATIENT",
        Search.DEPTH,
    ),
    _mutant(
        "order",
        "data key before user key",
        "PROPERTY=REVOKED THIEF=UNLOCKED ROTATIONS=2 LAG=2 FRUGAL PATIENT",
    ),
    _mutant(
        "past-key",
        "a wrap goes because another one is there",
        "PROPERTY=NEEDED_WRAPS THIEF=ABSENT ROTATIONS=1 LAG=2",
    ),
    _mutant(
        "committed",
        "old wraps go once a new epoch has begun",
        "PROPERTY=NEEDED_WRAPS THIEF=ABSENT ROTATIONS=1 LAG=2",
    ),
    _mutant(
        "account-signature",
        "the device key alone signs",
        "PROPERTY=LOCKED_OUT THIEF=LOCKED ROTATIONS=1 LAG=2",
    ),
    _mutant(
        "commit-signature",
        "the device key alone commits",
        "PROPERTY=LOCKED_OUT THIEF=LOCKED ROTATIONS=1 LAG=2",
    ),
    _mutant(
        "open-rotation",
        "a wrap under the key of a rotation that ended",
        "PROPERTY=APART THIEF=ABSENT ROTATIONS=2 LAG=2",
    ),
    _mutant(
        "exception",
        "one unreadable item blocks the end of a re-key",
        "PROPERTY=GOES_ON THIEF=ABSENT ROTATIONS=1 LAG=2 SPOILED=1",
    ),
    _mutant("rekey", "an epoch begins without a re-key", "PROPERTY=APART THIEF=ABSENT ROTATIONS=1 LAG=2"),
    _queue("holds", "writes that waited, sent in spite of all", Verdict.HOLDS, "PROPERTY=EVERY"),
    _queue("busy", "another device edits twice", Verdict.HOLDS, "PROPERTY=EVERY EDITS=2"),
    _queue("own", "the device puts before, and meanwhile", Verdict.HOLDS, "PROPERTY=EVERY PUTS=1 KILLS=1"),
    _queue("moves", "a queue can be emptied", Verdict.REFUTED, "PROPERTY=REACHED"),
    _queue_without("note", "ONCE", "nothing is noted before it is signed"),
    _queue_without("comparison", "ONCE", "the note is compared once, not before each signing"),
    _queue_without("forgetting-last", "ONCE", "the note goes before its entry"),
    _queue_without("deleting-last", "LOST", "an entry goes before it was sent"),
    _queue_without("base", "UNSEEN", "an entry follows whatever is the newest"),
    _queue_without("moving", "FOLLOWS", "later entries stay where they are"),
    _queue_without("last-first", "FOLLOWS", "later entries are moved, the first of them first"),
    _queue_without("wraps", "OPENS", "a rotation erases the wraps that the queue needs"),
    _queue_without("own", "SELF", "what the device has put before counts as another's", "PUTS=1"),
    _queue_without(
        "older", "UNSEEN", "what waits is not noted as older than what is put meanwhile", "PUTS=1"
    ),
    _joins("user-key", "user key changes, to the same words or to others", f"{_EVERY} KINDS=1"),
    _joins("data-key", "re-keys that are given up and begun anew", f"{_EVERY} KINDS=2"),
    _joins("kinds", "both kinds, no device is killed", f"{_EVERY} KINDS=3 KILLS=0"),
    _joins("unreadable", "an item opens here and not there", f"{_EVERY} {_ONE_REKEY} SPOILED=1"),
    _joins("writer", "a third device writes", f"{_EVERY} {_ONE_REKEY} EDITS=1 KILLS=0"),
    _joins("moves", "who has joined can complete", "PROPERTY=REACHED KINDS=1", Verdict.REFUTED),
    _joins_without("first", "two starts are taken", f"PROPERTY=ONE {_ONE_REKEY}"),
    _joins_without("versions", "what another device has done is not dropped", f"PROPERTY=ONCE {_ONE_REKEY}"),
    _joins_without("versions:edit", "nor what was edited meanwhile", f"PROPERTY=LOST {_ONE_REKEY} EDITS=1"),
    _joins_without("fence", "writes under an older epoch are taken", f"PROPERTY=SEALED {_ONE_REKEY} EDITS=1"),
    _joins_without("words", "who has other words joins too", "PROPERTY=WORDS KINDS=1 COMMANDS=2 KILLS=0"),
    _joins_without("asked", "a command goes on with whatever is open", "PROPERTY=UNASKED KINDS=3 KILLS=0"),
    _joins_without("asked:read", "and verifies wraps unread", "PROPERTY=READ KINDS=2 KILLS=0"),
    _joins_without("sealed", "old wraps go before everything is sealed anew", f"PROPERTY=OPENS {_ONE_REKEY}"),
    _joins_without("decision", "giving up is not said in devices", "PROPERTY=OPENS KINDS=1 COMMANDS=2"),
    _joins_without("left", "what does not open is not named", f"PROPERTY=GOES_ON {_ONE_REKEY} SPOILED=1"),
    _history("rekey", "purges and a re-key in between", f"{_EVERY} ACTS=3"),
    _history("purges", "two purges, and the grace time twice", f"{_EVERY} REKEYS=0 PURGES=2 TIMES=2"),
    _history("reuse", "a commit names an older object", f"{_EVERY} ACTS=3 REKEYS=0 PURGES=2 REUSE=1"),
    _history("moves", "what was removed comes back after both", "PROPERTY=REACHED", Verdict.REFUTED),
    _history_without("named", "LIVE", "a purge drops what a live version names", "REKEYS=0 REUSE=1"),
    _history_without("keep", "LIVE", "what was dropped stays so when a commit names it", "REKEYS=0 REUSE=1"),
    _history_without("parts", "LIVE", "a commit may lack its object"),
    _history_without("covered", "KEPT", "a purge takes what was replaced after it, too"),
    _history_without("grace", "KEPT", "what was purged is deleted at once"),
    _history_without("wraps", "KEPT", "a retired wrap is deleted at once", "PURGES=0"),
    _history_without("new-item", "ELSEWHERE", "a removed item comes back as a put by name"),
    _history_without("counting", "NUMBERS", "a removed item comes back in its place, from 1 on"),
    _history_without("base", "UNSEEN", "an edit replaces whatever is the newest"),
    _history_without("following", "TOLD", "a history is read without following the stream"),
    _history_without("forward", "TOLD", "a purge goes back behind an earlier one", "REKEYS=1"),
    _history_without("verifying", "LAST", "the server shows an older version as the last"),
)


def check(model: Model) -> Result:
    """Translate, compile and run one model."""
    folder = BUILD / model.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for source in HERE.glob("*.pml"):
        shutil.copy(source, folder)
    definitions = [f"-D{each}" for each in model.definitions.split()]
    breadth = ["-DBFS"] if model.search is Search.BREADTH else []
    _run(folder, "spin", "-a", *definitions, model.source)
    optimise = "-O0" if model.search is Search.BREADTH else "-O1"  # the former ends before -O1 has compiled
    _run(
        folder, "gcc", optimise, "-w", "-DSAFETY", "-DNOFAIR", "-DMEMLIM=3000", *breadth, "-o", "pan", "pan.c"
    )
    output = _run(folder, "./pan", "-m1000000")
    states = re.search(r"(\d+) states, stored", output)
    seconds = re.search(r"elapsed time ([\d.]+)", output)
    errors = re.search(r"errors: (\d+)", output)
    complete = errors and "Search not completed" not in output and "max search depth too small" not in output
    refuted = errors is not None and errors[1] != "0"
    return Result(
        model,
        Verdict.REFUTED if refuted else Verdict.HOLDS if complete else None,
        int(states[1]) if states else 0,
        float(seconds[1]) if seconds else 0.0,
        list(tell(_run(folder, "spin", "-t", "-B", *definitions, model.source))) if refuted else (),
        "" if refuted or complete else output[-2000:],
    )


def tell(replay: str) -> Iterator[str]:
    """Tell a counter-example: who says what, and how old the heads are that it claims."""
    said = 0
    for line in replay.splitlines():
        if step := _STEP.search(line):
            said += 1
            yield f"{said:>4}  {step[1]}"
        found = _SAID.search(line)
        if found is None:
            continue
        said += 1
        late = [
            f"{found[each]} as it was {found[f'{each}_behind']} statement(s) before"
            for each in ("one", "two")
            if found[f"{each}_behind"] != "0"
        ]
        what = re.sub(r", opens: 1$", "", found["what"]).replace(", opens: 0", ", damaged")
        claims = f"   [claims {' and '.join(late)}]" if late else ""
        yield f"{said:>4}  {found['author']}  in {found['stream']}: {what}{claims}"


def _run(folder: Path, *command: str) -> str:
    """Run a command; pan's exit code says nothing, spin's and gcc's do."""
    done = subprocess.run(  # noqa: S603  # our own tools, and arguments from the table above
        command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    if done.returncode and command[0] == "gcc":
        raise RuntimeError(done.stderr)
    if "Error" in done.stdout and command[:2] == ("spin", "-a"):
        raise RuntimeError(done.stdout)
    return done.stdout


def main(names: Sequence[str]) -> int:
    """Check the models and print the table; 1 if anything differs from what is expected."""
    missing = [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]
    if missing:
        print(f"{' and '.join(missing)} not found: apt-get install spin gcc libc6-dev", file=sys.stderr)
        return 2
    chosen = [model for model in MODELS if not names or model.name in names]
    if unknown := set(names) - {model.name for model in MODELS}:
        print(f"no such model: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    print(
        f"{'model':<28}{'property':<15}{'expected':<10}{'found':<10}{'states':>10}{'s':>7}  about", flush=True
    )
    surprises = 0
    with ThreadPoolExecutor(TOGETHER) as pool:
        for result in pool.map(check, chosen):
            model, found = result.model, result.found or "nothing"
            print(
                f"{model.name:<28}{model.property:<15}{model.expected:<10}{found:<10}"
                f"{result.states:>10}{result.seconds:>7.1f}  {model.about}",
                flush=True,
            )
            surprise = result.found is not model.expected
            surprises += surprise
            if surprise or names:
                print("\n".join(result.trace) or result.problem)
    print(f"{len(chosen)} models, {surprises} surprises")
    return 1 if surprises else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
