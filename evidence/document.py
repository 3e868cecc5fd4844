"""What the evidence says, as one JSON document, and its verdict."""

import hashlib
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from evidence.canaries import commit
from evidence.clean_run import CleanRun
from evidence.normal import RULES
from evidence.plants import Control
from evidence.twin import describe
from solekey_protocol.encoding import Json

ROOT: Final = Path(__file__).parents[1]
FORMAT: Final = "solekey-evidence/v1"
LEAST_PLANTS: Final = 14
_SHOWN: Final = 100
LIMITS: Final = (
    "Paths that the story does not take. Searched for is what this run's client made, and nothing else.",
    "Spellings that nobody thought of, encryption above all: there, twin run and explained bytes stand.",
    "Swap, hibernation images, the page cache and the kernel's own memory.",
    "What the times and sizes of requests tell somebody who watches.",
    "Services as processes on one machine: not the container image, nor several replicas.",
    "That an operator runs this code. The evidence is about the code of this commit.",
    (
        "A place in a log: the bundle's name stands in none, until there is a transparency log. Whoever has "
        "run this makes the name known where nobody can take it back, and the reader compares it."
    ),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What failed; nothing: the evidence is clean."""

    failures: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether everything holds."""
        return not self.failures


def judge_all(clean: CleanRun, controls: Sequence[Control], *, least_plants: int = LEAST_PLANTS) -> Verdict:
    """Judge all parts. A control that was missed fails as much as a leak that was found."""
    failures = [f"leak: {each.secret} in {each.channel} as {each.spelling}" for each in clean.search.found]
    failures += [f"a planted leak was missed: {each.plant.name}" for each in controls if not each.caught]
    if len(controls) < least_plants:
        failures.append(f"{len(controls)} planted leaks, need {least_plants}")
    failures += [f"the twin runs differ: {step.name}" for step in clean.twin if not step.same]
    failures += [f"unexplained: {each}" for each in clean.explanation.unexplained]
    failures += [f"a field that the threat model does not list: {each}" for each in clean.unlisted_fields]
    for part in (clean.twin_controls, clean.explanation_controls, clean.field_controls):
        failures += [
            f"a positive control was missed: {name}" for name, noticed in part.items() if not noticed
        ]
    return Verdict(tuple(failures))


def make_document(
    site: str,
    clean: CleanRun,
    controls: Sequence[Control],
    verdict: Verdict,
    commitments: Mapping[str, str],
) -> dict[str, Json]:
    """Make the document."""
    return {
        "format": FORMAT,
        "verdict": "clean" if verdict.clean else "violations",
        "failures": list(verdict.failures[:_SHOWN]),
        "subject": _describe_subject(site),
        "commitments": dict(commitments),
        "channels": [
            {
                "channel": channel.value,
                "pieces": amount.places,
                "bytes": amount.bytes,
                "searched": amount.searched,
                "secrets": clean.search.secrets,
                "found": sum(each.channel is channel for each in clean.search.found),
            }
            for channel, amount in clean.search.amounts.items()
        ],
        "controls": [
            {
                "planted": each.plant.name,
                "channel": each.plant.channel.value,
                "how": each.plant.how,
                "caught": each.caught,
                "spellings": list(each.spellings[:3]),
                "seen_in": [channel.value for channel in each.channels],
            }
            for each in controls
        ],
        "twin": {
            "rules": list(RULES),
            "steps": [
                {
                    "step": step.name,
                    "exchanges": step.exchanges,
                    "same": step.same,
                    "differences": list(describe(step)),
                }
                for step in clean.twin
            ],
            "controls": dict(clean.twin_controls),
        },
        "stored": {
            "explained": [
                {"kind": kind, "strings": count, "bytes": clean.explanation.bytes[kind]}
                for kind, count in sorted(clean.explanation.strings.items())
            ],
            "unexplained": list(clean.explanation.unexplained[:_SHOWN]),
            "controls": dict(clean.explanation_controls),
        },
        "seen_by_the_server": {
            "exchanges": clean.exchanges,
            "fields": sorted(clean.fields),
            "unlisted": list(clean.unlisted_fields),
            "controls": dict(clean.field_controls),
        },
        "limits": list(LIMITS),
    }


def commit_to(clean: CleanRun) -> tuple[dict[str, str], dict[str, Json]]:
    """Commit to all secrets; return the commitments, and what opens them: that stays outside the bundle."""
    commitments, nonces = commit(clean.secrets)
    openings: dict[str, Json] = {
        name: {"nonce": nonces[name], "secret": secret.hex()} for name, secret in clean.secrets.items()
    }
    return commitments, openings


def _describe_subject(site: str) -> dict[str, Json]:
    return {
        "commit": _git("rev-parse", "HEAD"),
        "changed_files": len(_git("status", "--porcelain").splitlines()),
        "locks": {
            lock.name: hashlib.sha256(lock.read_bytes()).hexdigest()
            for lock in sorted((ROOT / "requirements").glob("*.txt"))
        },
        "site": site,
        "python": platform.python_version(),
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
