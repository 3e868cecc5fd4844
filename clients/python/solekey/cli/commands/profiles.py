"""``solekey profiles``: the profiles of this computer that have names."""

import click

from solekey.cli.known_profile import KnownProfile
from solekey.cli.output.printing import add_row, make_table, print_table, say
from solekey.cli.profile_names import data_folder, iter_profiles
from solekey.cli.state import Cli, pass_cli, state_options


@click.command()
@state_options
@pass_cli
def profiles(state: Cli) -> None:
    """List the profiles that have names: one is one device of one account. Choose with --profile NAME."""
    rows = []
    for path in iter_profiles():
        known = KnownProfile.read(path)
        if known is None:
            continue
        rows.append(
            {
                "profile": path.name,
                "username": known.username,
                "server": known.origin,
                "device_name": known.device_name,
                "logged_in": (path / "session.json").exists(),
                "chosen": path == state.profile,
            }
        )
    if state.as_json:
        state.emit({"profiles": rows, "folder": str(data_folder())})
        return
    if not rows:
        say("No profile has a name yet. Make one: solekey signup, or solekey login")
        return
    table = make_table("profile", "user", "server", "device", "session", "")
    for row in rows:
        session = "kept" if row["logged_in"] else "none"
        chosen = "this one" if row["chosen"] else ""
        add_row(table, row["profile"], row["username"], row["server"], row["device_name"], session, chosen)
    print_table(table)
