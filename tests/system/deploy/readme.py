"""Reads the commands of deploy/README.md, so that tests run them word for word."""

import re

from tests.support.deployment.compose import DEPLOY


def read_commands(section: str) -> list[str]:
    """Read the commands under a heading."""
    return [
        line.removeprefix("$ ").split("  # ")[0].rstrip() for line in _read_lines(section) if line[:2] == "$ "
    ]


def read_answers(section: str) -> list[str]:
    """Read what the commands under a heading print, as regular expressions; … stands for anything."""
    return [re.escape(line).replace("…", ".*") for line in _read_lines(section) if line[:2] != "$ "]


def _read_lines(section: str) -> list[str]:
    text = (DEPLOY / "README.md").read_text()
    (body,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```console\n(.*?)^```", body, re.MULTILINE | re.DOTALL)
    return "".join(blocks).splitlines()
