"""What all commands share: the profile, the kind of output, and how progress is shown."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from solekey.cli.output.foreign_text import Shown
from solekey.cli.output.log_output import show_log
from solekey.cli.output.printing import emit_json, fill, say, warn
from solekey.cli.profile_names import DEFAULT, ProfileType, data_folder, repeat_profile

if TYPE_CHECKING:
    from solekey.progress import Progress

ID_CHARS = 30

F = TypeVar("F", bound=Callable[..., Any])


def _default_profile() -> Path:
    return data_folder() / DEFAULT


@dataclass(slots=True, repr=False)
class FactorChoice:
    """What second factor the person has given; nothing: ask. The order is that of precedence.

    Attributes:
        recovery_code: one of the account's recovery codes.
        passkey: use the security key.
        code: the authenticator's code of now.
        totp_secret: the authenticator's secret: codes are made from it.
    """

    recovery_code: str | None = None
    passkey: bool = False
    code: str | None = None
    totp_secret: str | None = None

    @property
    def is_given(self) -> bool:
        """Whether the person has given any."""
        return bool(self.recovery_code or self.passkey or self.code or self.totp_secret)

    def __repr__(self) -> str:
        return "FactorChoice(<redacted>)"


@dataclass(slots=True)
class Cli:
    """The state of one invocation.

    Attributes:
        profile, as_json, quiet, verbose: see `state_options`.
        given_profile: the profile as the command line names it, for advice.
        user_key_from: what `--user-key-from` says.
        user_key_source: the provider that the user key came from, once it did.
        second_factor: what was given of it.
        exposed: flags whose secrets stand on the command line.
    """

    profile: Path = field(default_factory=_default_profile)
    given_profile: str | None = None
    as_json: bool = False
    quiet: bool = False
    verbose: int = 0
    user_key_from: str | None = None
    user_key_source: str | None = None
    second_factor: FactorChoice = field(default_factory=FactorChoice)
    exposed: list[str] = field(default_factory=list)

    def tell(self, template: str, *values: object) -> None:
        """Tell a person what is going on, on stderr, where somebody listens. See `printing.warn`."""
        if not (self.as_json or self.quiet):
            warn("{}", Shown(self.repeat_profile(fill(template, *values))))

    def say(self, template: str, *values: object) -> None:
        """Say a result that names commands, as they are run with this profile. See `printing.say`."""
        say("{}", Shown(self.repeat_profile(fill(template, *values))))

    def repeat_profile(self, text: str) -> str:
        """Repeat the profile that stands on the command line in each command that a text names."""
        return repeat_profile(text, self.given_profile)

    def emit(self, document: Mapping[str, object]) -> None:
        """Print one JSON document on one line, at once."""
        emit_json(document)

    def verify_logged_in(self) -> None:
        """Verify that there is a session to open, before a person is asked for anything.

        It looks at file names only; opening the session imports what makes a prompt late.

        Raises:
            ProfileMissingError, NotLoggedInError
        """
        from solekey.errors import NotLoggedInError, ProfileMissingError

        if not (self.profile / "profile.json").exists():
            raise ProfileMissingError(f"{self.profile} is not a profile")
        if not (self.profile / "session.json").exists():
            raise NotLoggedInError("there is no session on this device")

    @contextmanager
    def progress(self, what: str, *, in_bytes: bool, printing: bool = False) -> "Iterator[Progress]":
        """Show a bar with rate and remaining time while something long runs, where a person looks on.

        Args:
            what: what is going on.
            in_bytes: whether it is counted in bytes, or else in items.
            printing: whether the result goes to standard output: no bar then, if that is a terminal, too.
        """
        from solekey.progress import ignore_progress

        watched = sys.stderr.isatty() and not (printing and sys.stdout.isatty())
        if self.as_json or self.quiet or not watched:
            yield ignore_progress
            return
        from solekey.cli.output.progress_bar import show_bar

        with show_bar(what, in_bytes=in_bytes) as bar:
            yield bar


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    state = context.find_root().obj
    if state is None:
        state = context.find_root().obj = Cli()
    if not value or parameter.name is None:
        return
    given = context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    if given and parameter.name == "profile":
        path = str(value) if value.name != str(value) else f"./{value}"  # what has no slash is a name
        state.given_profile = value.name if value.parent == data_folder() else path
    if parameter.name == "verbose":
        show_log(value)
    if given or context.parent is None:  # the environment must not overrule `solekey --profile X command`
        setattr(state, parameter.name, value)


def output_options(command: F) -> F:
    """Add how the result is printed: ``--quiet`` and ``--json``."""
    for option in (
        click.option(
            "--quiet", "-q", is_flag=True, expose_value=False, callback=_remember, help="Say only the result."
        ),
        click.option(
            "--json",
            "as_json",
            is_flag=True,
            expose_value=False,
            callback=_remember,
            help="Print JSON, one document a line; the last is the result. Errors are JSON, too.",
        ),
    ):
        command = option(command)
    return command


def state_options(command: F) -> F:
    """Add the options that every command has."""
    command = click.option(
        "--verbose",
        "-v",
        count=True,
        expose_value=False,
        callback=_remember,
        help="Tell on stderr what is done; twice: each request, too. Never keys, names or contents.",
    )(command)
    return click.option(
        "--profile",
        type=ProfileType(),
        metavar="NAME",
        envvar="SOLEKEY_PROFILE",
        show_envvar=True,
        expose_value=False,
        callback=_remember,
        help="This device's profile: its name, or with a slash its folder. `default` if not given.",
    )(output_options(command))


pass_cli = click.make_pass_decorator(Cli, ensure=True)
