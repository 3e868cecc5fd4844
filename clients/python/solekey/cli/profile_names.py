"""Profiles by name: `--profile work` is a folder under the data directory; what has a slash is a path.

Spec: conventions.md §13.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

DEFAULT: Final = "default"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}", re.ASCII)
_COMMAND: Final = re.compile(
    r"\bsolekey (?=(?:signup|login|logout|status|put|get|list|ls|remove|rm|devices(?! approve)|sessions|"
    r"factors|password|rotate|user-key|recovery|events|account)\b)"
)


class ProfileType(click.ParamType):  # type: ignore[type-arg]  # generic in the stubs of newer releases only
    """The name of a profile, or the path of its folder."""

    name = "profile"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Convert to the folder."""
        if isinstance(value, Path):
            return value
        if "/" in value or os.sep in value:
            return Path(str(value)).expanduser()
        if not _NAME.fullmatch(value):
            self.fail(
                f"{value!r} is no name for a profile: use letters, digits and . _ @ + -, or a path with a "
                "slash (./folder)",
                param,
                ctx,
            )
        return data_folder() / str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the names of the profiles that there are."""
        del ctx, param
        return [CompletionItem(path.name) for path in iter_profiles() if path.name.startswith(incomplete)]


def data_folder() -> Path:
    """Name the folder where profiles with names lie."""
    import platformdirs

    return Path(platformdirs.user_data_dir("solekey", appauthor=False))


def iter_profiles() -> Iterator[Path]:
    """Iterate over the profiles that have names, in their order."""
    folder = data_folder()
    if folder.is_dir():
        yield from sorted(path.parent for path in folder.glob("*/profile.json"))


def repeat_profile(text: str, given: str | None) -> str:
    """Repeat the profile that was given in each command of a text, so that it can be run as it stands.

    `devices approve` is left alone: it is for another device.
    """
    if given is None:
        return text
    quoted = given if re.fullmatch(r"[\w./@+-]+", given) else f"'{given}'"
    return _COMMAND.sub(lambda found: f"{found.group()}--profile {quoted} ", text)
