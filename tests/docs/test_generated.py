"""What is generated is what the generators make, and `make generate` runs them all."""

import re
import subprocess
import sys

import pytest

from tests.support.repository import ROOT

CHECKED = ("spec/generate_events.py", "spec/generate_catalogue.py")  # the vectors: tests/docs/vectors
"""Generators that compare their own files; the pages of docs/ have tests of their own."""


def run(generator, *arguments, folder=ROOT):
    return subprocess.run(
        [sys.executable, folder / generator, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("generator", CHECKED)
def test_the_files_are_what_the_generator_makes(generator):
    done = run(generator, "--check")
    assert (done.returncode, done.stdout) == (0, ""), f"{done.stdout}{done.stderr}run make generate"


def test_make_generate_runs_every_generator():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = re.search(r"^GENERATORS := ((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    assert named
    generators = {str(path.relative_to(ROOT)) for path in ROOT.glob("*/generate_*.py")}
    assert set(re.findall(r"[a-z_]+/[a-z_]+\.py", named[1])) == generators


def test_a_page_that_drifted_is_found(tmp_path):
    """The positive control: a row and an operation that somebody has changed by hand."""
    for name in ("generate_catalogue.py", "events.md", "asyncapi.yaml"):
        (tmp_path / name).write_bytes((ROOT / "spec" / name).read_bytes())
    assert run("generate_catalogue.py", "--check", folder=tmp_path).returncode == 0
    for name, word in (("events.md", "Somebody failed to log in"), ("asyncapi.yaml", "auth applies")):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert word in text
        (tmp_path / name).write_text(text.replace(word, "Nobody"), encoding="utf-8")
    done = run("generate_catalogue.py", "--check", folder=tmp_path)
    assert (done.returncode, set(done.stdout.split("\n"))) == (
        2,
        {"events.md: differs", "asyncapi.yaml: differs", ""},
    )
    assert run("generate_catalogue.py", folder=tmp_path).returncode == 0
    assert run("generate_catalogue.py", "--check", folder=tmp_path).returncode == 0
