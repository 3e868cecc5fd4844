"""``solekey recovery kit``, ``test``, ``split`` and ``combine``."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from solekey.cli.command_group import CommandGroup
from solekey.cli.input.answers import ask_person, ask_user_key, read_key_and_kit, user_key_option
from solekey.cli.input.new_user_key import KitChoice, letter_option
from solekey.cli.input.output_file import OutputFile
from solekey.cli.opening import open_session
from solekey.cli.output.printing import prompt, say, usage_error, warn
from solekey.cli.state import Cli, pass_cli, state_options

if TYPE_CHECKING:
    from solekey.crypto import UserKey
    from solekey.recovery.record import ShareRecord
    from solekey.recovery.shares import Share

MAX_SHARES = 16
_SHARE = "Share {} of {}; any {} open it. Set {}, account {}, key {}"
_file = OutputFile()
_existing_file = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.group(cls=CommandGroup)
def recovery() -> None:
    """Keep the user key on paper: write a kit, test it, split the key into shares, combine them."""


@recovery.command()
@click.option("--output", "-o", type=_file, required=True, help="The PDF; a file that exists is kept.")
@letter_option
@user_key_option
@state_options
@pass_cli
def kit(state: Cli, output: Path, user_key: str | None, *, letter: bool) -> None:
    """Write a recovery kit: one page with the 24 words, to be printed and put in a safe."""
    state.verify_logged_in()
    key = ask_user_key(user_key)
    _write_kit(state, key, KitChoice(output, letter, accept_risk=False), output)


@recovery.command()
@click.argument("kit_file", metavar="[KIT]", type=_existing_file, required=False)
@user_key_option
@state_options
@pass_cli
def test(state: Cli, kit_file: Path | None, user_key: str | None) -> None:
    """Prove that a kit (KIT, or the words from its paper) opens the data key that is in force.

    With KIT, a PDF or a text file with what its codes say, the account's history is compared with what the
    kit has pinned: a server that has lost or rewritten it is found out.
    """
    state.verify_logged_in()
    key, made = read_key_and_kit(kit_file, user_key, from_paper=True)

    from solekey.recovery.proof import verify_kit

    with open_session(state) as session:
        proof = verify_kit(session, key, made)
    if state.as_json:
        described = {"created": made.created, "server": made.server} if made else None
        state.emit(
            {
                "opens": True,
                "key_id": proof.key_id,
                "epoch": proof.epoch,
                "outdated": proof.outdated,
                "kit": described,
            }
        )
        return
    say("Good: these words open the data key of epoch {}.", proof.epoch)
    if proof.outdated:
        say(
            "The kit is older than the last rotation. It opens everything; a new one protects "
            "new devices better: solekey recovery kit -o KIT.pdf"
        )
    elif proof.outdated is None:
        state.tell("Words alone do not say how old they are, and pin no history; a kit file does.")


@recovery.command()
@click.option("--threshold", "-k", type=int, required=True, help="How many shares give the key back.")
@click.option("--shares", "-n", type=int, required=True, help="How many shares are made, 16 at most.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for one PDF a share; printed if not given.",
)
@letter_option
@user_key_option
@state_options
@pass_cli
def split(
    state: Cli, threshold: int, shares: int, output: Path | None, user_key: str | None, *, letter: bool
) -> None:
    """Split the user key into shares (SLIP-39): any THRESHOLD of them give it back, fewer say nothing."""
    _verify_paper(letter=letter, output=output)
    if not 2 <= threshold <= shares <= MAX_SHARES:
        raise usage_error(
            "{} of {} shares is not possible: choose 2 to {} shares, and a threshold from 2 up to that",
            threshold,
            shares,
            MAX_SHARES,
        )
    state.verify_logged_in()
    key = ask_user_key(user_key)

    from solekey.recovery.record import ShareRecord
    from solekey.recovery.shares import split_user_key
    from solekey.vault.keyring import UnlockedUserKey
    from solekey_protocol.ids import Timestamp

    with key, open_session(state) as session:
        session.sync()
        unlocked = UnlockedUserKey(key, session.account)
        try:
            unlocked.verify_current(session.streams)
            made = split_user_key(key, threshold=threshold, shares=shares, random=os.urandom)
        finally:
            unlocked.wipe()
        now = Timestamp.from_datetime(session.connection.runtime.now())
        account, key_id = session.account, unlocked.key_id
    records = [ShareRecord(account, key_id, now, share.set, share.index, threshold, shares) for share in made]
    _emit_shares(state, list(zip(made, records, strict=True)), output, letter=letter)


@recovery.command()
@click.argument("files", nargs=-1, type=_existing_file)
@click.option("--output", "-o", type=_file, help="Write a recovery kit (PDF) instead of printing the words.")
@click.option(
    "--to",
    "place",
    metavar="SPEC",
    help="Keep the key there instead of printing the words: file:PATH, keyring:[NAME] or pkcs11:…",
)
@letter_option
@state_options
@pass_cli
def combine(
    state: Cli, files: tuple[Path, ...], output: Path | None, place: str | None, *, letter: bool
) -> None:
    """Put shares together and print the user key's 24 words.

    Shares come from FILES (PDF or text), from standard input (one a line), or are asked for one by one.
    """
    if output is not None and place is not None:
        raise click.UsageError("give either --output or --to")
    _verify_paper(letter=letter, output=output)
    if output is not None:
        state.verify_logged_in()
    shares, records = _collect_shares(files)

    from solekey.errors import SharesMismatchError
    from solekey.recovery.shares import combine_shares

    key = combine_shares(shares)
    if any(key.derive_key_id(record.account) != record.key_id for record in records):
        raise SharesMismatchError("the shares give another key than the one that they name")
    if output is not None:
        _write_kit(state, key, KitChoice(output, letter, accept_risk=False), output)
    elif place is not None:
        _keep(state, key, place, records)
    elif state.as_json:
        state.emit({"user_key": key.to_phrase(), "key_id": records[0].key_id if records else None})
    else:
        say("{}", key.to_phrase())


def _verify_paper(*, letter: bool, output: Path | None) -> None:
    if letter and output is None:
        raise click.UsageError("--letter is for PDFs: name where they go (--output)")


def _keep(state: Cli, key: "UserKey", place: str, records: "list[ShareRecord]") -> None:
    """Store a combined key at a provider, for the account that the shares name, or else this profile's."""
    from solekey.profile.profile import Profile
    from solekey.providers import open_provider

    account = records[0].account if records else Profile.open(state.profile, ask_person).account
    key_id = key.derive_key_id(account)
    with key:
        open_provider(place, account=account, ask=ask_person).store(key)
    if state.as_json:
        state.emit({"stored": place, "account": account, "key_id": key_id})
    else:
        state.tell("Kept at {}; name it with --user-key-from.", place)


def _write_kit(state: Cli, key: "UserKey", choice: KitChoice, path: Path) -> None:
    """Write the kit of the account's present user key; no other's."""
    from solekey.recovery.documents import write_kit
    from solekey.recovery.kit import make_kit
    from solekey.vault.keyring import UnlockedUserKey

    with key, open_session(state) as session:
        made = make_kit(session, key)
        unlocked = UnlockedUserKey(key, session.account)
        try:
            unlocked.verify_current(session.streams)
            write_kit(made, key, path, paper=choice.paper)
        finally:
            unlocked.wipe()
    if state.as_json:
        state.emit(
            {"kit": str(path), "account": made.account, "key_id": made.key_id, "created": made.created}
        )
    else:
        say("Saved {}. Print it and put it in a safe place; then delete the file.", path)


def _emit_shares(
    state: Cli, made: "list[tuple[Share, ShareRecord]]", folder: Path | None, *, letter: bool
) -> None:
    rows: list[dict[str, object]] = []
    for share, record in made:
        row: dict[str, object] = {"index": share.index}
        if folder is None:
            row["words"] = share.to_words()
        else:
            row["file"] = str(_write_share(folder, share, record, letter=letter))
        rows.append(row)
    first = made[0][1]
    if state.as_json:
        state.emit(
            {
                "account": first.account,
                "key_id": first.key_id,
                "set": first.set,
                "threshold": first.threshold,
                "shares": rows,
            }
        )
        return
    for (_, record), row in zip(made, rows, strict=True):
        if folder is not None:
            say("{}", row["file"])
            continue
        say(_SHARE, record.index, record.shares, record.threshold, record.set, record.account, record.key_id)
        say("{}\n", row["words"])
    state.tell("Keep them in different places. Together they are the key.")


def _write_share(folder: Path, share: "Share", record: "ShareRecord", *, letter: bool) -> Path:
    from solekey.recovery.documents import write_share

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"solekey-share-{record.set}-{record.index}-of-{record.shares}.pdf"
    return write_share(share, record, path, paper=KitChoice(None, letter, accept_risk=False).paper)


def _collect_shares(files: tuple[Path, ...]) -> "tuple[list[Share], list[ShareRecord]]":
    if files:
        from solekey.recovery.documents import read_shares

        found = [each for path in files for each in read_shares(path)]
        return [share for share, _ in found], [record for _, record in found if record]
    if sys.stdin.isatty():
        return _ask_shares(), []

    from solekey.cli.input.text_input import read_standard_input
    from solekey.recovery.shares import parse_shares

    return parse_shares(read_standard_input()), []


def _ask_shares() -> "list[Share]":
    """Ask for one share after the other until there are enough; mistakes are named and repeated."""
    from solekey.errors import ShareError
    from solekey.recovery.shares import parse_share, verify_same_set

    shares: list[Share] = []
    while not shares or len(shares) < shares[0].threshold:
        progress = f" of {shares[0].threshold}" if shares else ""
        words = prompt("Share {}{} (33 words)", len(shares) + 1, progress)
        try:
            share = verify_same_set(parse_share(words), shares)
        except ShareError as error:
            from solekey.cli.advice import advise

            warn("{}. {}", str(error).capitalize(), advise(error))
            continue
        if share in shares:
            warn("This share was entered already: enter another one of the set.")
        else:
            shares.append(share)
    return shares
