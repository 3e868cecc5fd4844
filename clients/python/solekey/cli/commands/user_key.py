"""``solekey user-key make``, ``check``, ``store`` and ``forget``."""

import sys

import click

from solekey.cli.command_group import CommandGroup
from solekey.cli.input.answers import ask_person, ask_user_key, user_key_option
from solekey.cli.opening import open_session, unlocked
from solekey.cli.output.printing import confirm, say
from solekey.cli.state import Cli, pass_cli, state_options


@click.group("user-key", cls=CommandGroup)
def user_key() -> None:
    """Make a user key, check it, keep it where later commands find it."""


@user_key.command()
@state_options
@pass_cli
def make(state: Cli) -> None:
    """Make a user key and print its 24 words. Needs no profile and no network."""
    from solekey.crypto import UserKey

    with UserKey.make() as key:
        phrase = key.to_phrase()
    if state.as_json:
        state.emit({"user_key": phrase})
    else:
        say("{}", phrase)


@user_key.command()
@user_key_option
@state_options
@pass_cli
def check(state: Cli, user_key: str | None) -> None:
    """Check that the words, or the stored user key, open the data key that is in force."""
    with unlocked(state, user_key) as vault:
        key_id, epoch = vault.unlocked.keyring.user_key.key_id, vault.unlocked.streams.vault.epoch
        vault.unlocked.keyring.data_key(epoch)
    if state.as_json:
        state.emit({"key_id": key_id, "epoch": epoch, "opens": True, "from": state.user_key_source})
    else:
        what = (
            f"The key kept at {state.user_key_source} opens" if state.user_key_source else "These words open"
        )
        state.tell("{} the data key of epoch {}.", what, epoch)


@user_key.command()
@click.argument("spec")
@click.option(
    "--replace", is_flag=True, help="Overwrite an older user key of this account that is kept there."
)
@user_key_option
@state_options
@pass_cli
def store(state: Cli, spec: str, user_key: str | None, *, replace: bool) -> None:
    """Keep the user key at SPEC, and take it from there from now on.

    SPEC is file:PATH (sealed under a passphrase), keyring:[NAME] (the desktop's keyring) or
    pkcs11:token=LABEL?module-path=PATH (a token or HSM). Keep the recovery kit as well: SPEC may be lost.
    """
    from solekey.providers.spec import make_absolute

    place = make_absolute(spec)
    state.verify_logged_in()
    with ask_user_key(user_key) as key, open_session(state) as session:
        from solekey.crypto import UserKey
        from solekey.errors import ProviderError
        from solekey.providers import open_provider

        provider = open_provider(place, account=session.account, ask=_AskOnce())
        with UserKey(key.expose()) as kept:
            with session.unlock(key):
                key_id = session.streams.devices.key_id
            provider.store(kept, replace=replace)
            with provider.load() as stored:
                if stored != kept:
                    raise ProviderError(f"{place} does not give back what was stored")
        session.connection.profile.update(user_key_from=place)
    if state.as_json:
        state.emit({"stored": place, "key_id": key_id})
    else:
        state.tell("Kept at {}; later commands take the user key from there.", place)


@user_key.command()
@click.option("--only-here", is_flag=True, help="Leave the key where it is kept; forget the place alone.")
@click.option("--accept-risk", is_flag=True, help="For scripts: do not ask whether the words are safe.")
@state_options
@pass_cli
def forget(state: Cli, *, only_here: bool, accept_risk: bool) -> None:
    """Delete the stored user key, and ask for the words from now on."""
    from solekey.errors import ProviderEmptyError
    from solekey.profile.profile import Profile
    from solekey.providers import open_provider

    profile = Profile.open(state.profile, ask_person)
    place = profile.details.user_key_from
    if place is None:
        raise ProviderEmptyError("this profile keeps no user key anywhere")
    if not only_here:
        _confirm(place, accept_risk=accept_risk)
        open_provider(place, account=profile.account, ask=ask_person).delete()
    profile.update(user_key_from=None)
    if state.as_json:
        state.emit({"forgotten": place, "deleted": not only_here})
    else:
        state.tell("{} is forgotten{}.", place, "" if only_here else ", and the key there deleted")


class _AskOnce:
    """Asks for a new passphrase, and does not ask for it again when the file is read back."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}

    def __call__(self, question: str) -> str:
        from solekey.providers.question import QuestionKind

        subject, kind = getattr(question, "subject", ""), getattr(question, "kind", None)
        if kind is QuestionKind.PASSPHRASE and subject in self._given:
            return self._given[subject]
        answer = ask_person(question)
        if kind is QuestionKind.NEW_PASSPHRASE:
            self._given[subject] = answer
        return answer


def _confirm(place: str, *, accept_risk: bool) -> None:
    if accept_risk:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is here to say that the words are safe elsewhere: --accept-risk")
    confirm(
        "Delete the user key kept at {}? Without the 24 words (recovery kit), nothing opens your data", place
    )
