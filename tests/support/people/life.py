"""A user's life on two devices, from the first note to a lost phone."""

import os
from pathlib import Path

from tests.support.people.command_user import CommandUser

MIB = 1024 * 1024
NOTE = "The spare key is under the third flower pot."
FAILED, WRONG_KEY, REFUSED = 1, 5, 9  # exit codes, as `solekey --help` says


def live(ada: CommandUser, folder: Path) -> None:
    """Live through everything that a user does; ``ada`` has signed up on a laptop."""
    film = make_file(folder / "film", 10 * MIB)
    ada.do("laptop", "put", "--name", "spare key", "--text", NOTE)
    ada.do("laptop", "put", film)
    assert ada.do("laptop", "get", "spare key")["text"] == NOTE
    assert {item["name"] for item in ada.do("laptop", "list")["items"]} == {"spare key", "film"}

    add_phone(ada)
    change_user_key(ada)
    assert ada.do("laptop", "rotate", "data-key")["epoch"] == 2
    lose_phone(ada)

    ada.do("laptop", "get", "film", "--output", folder / "copy")
    assert (folder / "copy").read_bytes() == film.read_bytes()
    assert ada.do("laptop", "get", "spare key")["text"] == NOTE
    assert ada.do("laptop", "status")["trusted_devices"] == 1


def add_phone(ada: CommandUser) -> None:
    """A second device: pending and trusted with nothing, then trusted."""
    assert ada.log_in("phone").documents()[-1]["standing"] == "pending"
    too_early = ada.try_("phone", "put", "--name", "too early", "--text", "x")
    assert too_early.exit_code not in (0, FAILED), too_early
    assert ada.do("phone", "devices", "trust")["status"] == "trusted"
    assert ada.do("phone", "get", "spare key")["text"] == NOTE


def change_user_key(ada: CommandUser) -> None:
    """New words; the old ones open nothing any more."""
    phrase = ada.new_phrase()
    ada.do("laptop", "rotate", "user-key", "--new-user-key", phrase, "--accept-risk")
    assert ada.try_("laptop", "get", "spare key").exit_code == WRONG_KEY
    ada.phrase = phrase
    assert ada.do("phone", "get", "spare key")["text"] == NOTE


def lose_phone(ada: CommandUser) -> None:
    """The phone is revoked; it is refused with the session that it has and with a new login."""
    phrase = ada.new_phrase()
    told = ada.do("laptop", "devices", "revoke", "phone", "--yes", "--new-user-key", phrase, "--accept-risk")
    assert told["was_trusted"]
    ada.phrase = phrase
    assert ada.try_("phone", "get", "spare key").exit_code != 0
    refused = ada.log_in("phone")
    assert (refused.exit_code, refused.error_code()) == (REFUSED, "device_revoked")


def make_file(path: Path, size: int) -> Path:
    """Make a file that nothing compresses."""
    path.write_bytes(os.urandom(size))
    return path
