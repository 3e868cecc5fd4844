"""Reads the commands of deploy/README.md, so that tests run them word for word."""

import re

from deploy.compose import DEPLOY


def read_commands(section: str) -> list[str]:
    """Read the commands under a heading; a trailing backslash goes on in the next line."""
    text = (DEPLOY / "README.md").read_text()
    (body,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```console\n(.*?)^```", body, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", "").splitlines()
    return [line.removeprefix("$ ").split("  # ")[0].rstrip() for line in lines if line.startswith("$ ")]
