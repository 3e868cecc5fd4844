"""The list of devices: what is verified, what only the server says, and how names of others are shown."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.cells import cell_len
from rich.console import Console

from solekey.account.approval import Waiting, approve_device
from solekey.account.device_list import ServerSays
from solekey.account.device_names import MAX_NAME_CHARS, choose_free_name, default_name, parse_name
from solekey.cli.output.device_table import make_table
from solekey.cli.output.device_waiting import describe_waiting
from solekey.cli.output.foreign_text import MAX_CELLS, quote_foreign
from solekey.crypto import device_code
from solekey_protocol.events.devices import DeviceRevoked, RevocationReason
from tests.support.client.fake_server import ORIGIN
from tests.support.client.world import PASSWORD, USERNAME

MISMATCH = 7
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2067\ufeff\u3164\u2800]")
HOSTILE = {
    "escape sequence": "a\x1b[2J\x1b[31mb",
    "line break": "a\r\nb",
    "right-to-left override": "photo\u202egnp.exe",
    "isolates": "a\u2067b\u2069",
    "zero width": "lap\u200btop\ufeff",
    "looks like nothing": "\u3164\u3164\u2800",
    "markup": "[bold red]laptop[/] [link=https://evil.test]x[/link]",
    "a mark of ours": "laptop ◀ this device",
    "a quote of ours": "laptop” trusted “",
    "an escape of ours": "\\u{202e}",
    "piled marks": "a" + "\u0301" * 60,
    "only marks": "\u0301" * 64,
    "very long": "x" * 64,
    "very wide": "手机" * 32,
    "emoji": "❤️👩🏽‍💻🇩🇪" * 8,
    "Hebrew": "המחשב של דנה 12",
    "Arabic": "هاتف 5",
    "tags": "a\U000e0041\U000e0042",
    "private use": "\ue000\uf8ff",
}


@pytest.fixture(autouse=True)
def _quick_codes(monkeypatch):
    device_code._derive_half.cache_clear()
    monkeypatch.setattr(device_code, "_MEMORY_KIB", 64)
    yield
    device_code._derive_half.cache_clear()


@pytest.mark.parametrize("what", HOSTILE)
def test_what_others_chose_is_shown_as_itself_and_nothing_else(what):
    shown = quote_foreign(HOSTILE[what])
    inside = shown.removeprefix("\u2068").removesuffix("\u2069")
    assert inside.startswith("“")
    assert inside.endswith("”")
    assert not UNSEEN.search(inside)
    assert not re.search("[“”]", inside[1:-1])
    assert cell_len(inside) <= MAX_CELLS + 2
    assert not re.search("[\u0300-\u036f]{3}", inside)


def test_control_the_search_finds_what_is_not_escaped():
    unescaped = [what for what, name in HOSTILE.items() if UNSEEN.search(name)]
    assert len(unescaped) >= 6


@pytest.mark.parametrize("name", ["Ana's phone", "Ünïcode 手机", "देवनागरी", "📱 2", "a-b_c (d) #1"])
def test_ordinary_names_are_shown_as_they_are(name):
    assert quote_foreign(name) == f"“{name}”"


def test_what_differs_is_shown_differently():
    names = [*HOSTILE.values(), "laptop", "lap\u200btop", "\\u{3164}", "\u3164"]
    assert len({quote_foreign(name) for name in names}) == len(set(names))


@pytest.mark.parametrize("name", ["a\u202eb", "a\nb", "\x1b[31m", "a\u200bb", "", "x" * 65])
def test_a_name_that_no_honest_device_commits_to_is_none(name):
    """The service refuses such names; a service that lets one through is not believed."""
    salt = "00" * 16
    assert parse_name({"name": name, "salt": salt}) is None
    assert parse_name({"name": "phone", "salt": salt}).text == "phone"  # control


def rows_of(text):
    return [line for line in text.splitlines() if line.strip()]


@pytest.fixture
def described(home):
    """Devices in every standing, with all hostile names."""
    phone, tablet, laptop = home.log_in("phone"), home.add_device("tablet"), home.sessions["laptop"]
    approve_device(laptop, home.key(), phone.devices.derive_code(phone.devices.own_id))
    revoked = DeviceRevoked(tablet.devices.own_id, RevocationReason.STOLEN)
    home.say(laptop, revoked)
    home.log_in("watch")
    return laptop.devices.list()


def test_the_list_says_who_did_what_and_keeps_the_servers_word_apart(home, described):
    laptop, phone, tablet, watch = described
    assert [info.status.value for info in described] == ["trusted", "trusted", "revoked", "pending"]
    assert [info.this_device for info in described] == [True, False, False, False]
    assert (laptop.certified_by, phone.certified_by) == (laptop.id, laptop.id)
    assert (tablet.certified_by, tablet.revoked_by, tablet.reason.value) == (tablet.id, laptop.id, "stolen")
    assert (watch.certified_by, watch.may, tablet.may) == (None, ("follow",), ())
    assert "write" in phone.may
    key = home.sessions["phone"].connection.profile.device_key
    assert phone.thumbprint == key.thumbprint
    assert phone.server_says.trusted_at is not None
    assert watch.server_says.last_seen is None


@pytest.mark.parametrize(
    ("said", "shown"),
    [("2026-11-24", "2026-11-24"), (None, None), ("\x1b[31m", None), (20261124, None), ("2026-11-24 ", None)],
)
def test_the_last_visit_is_a_day_or_nothing(home, said, shown):
    home.account.names[0]["last_seen"] = said
    (laptop,) = home.sessions["laptop"].devices.list()
    assert laptop.server_says.last_seen == shown


def test_a_day_counts_only_beside_the_devices_own_name(home):
    home.log_in("phone")
    laptop, phone = home.account.names
    laptop["last_seen"], laptop["device"] = "2026-11-24", phone["device"]
    assert [info.server_says.last_seen for info in home.sessions["laptop"].devices.list()] == [None, None]


@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_keeps_its_columns_whatever_devices_are_called(described, columns):
    console = Console(width=columns, color_system=None, force_terminal=False, highlight=False)
    with console.capture() as capture:
        for name in HOSTILE.values():
            console.print(make_table([replace(info, name=name) for info in described], console.width))
    lines = rows_of(capture.get())
    assert not UNSEEN.search(capture.get().replace("\n", ""))
    assert all(cell_len(line) <= columns for line in lines)
    last = re.compile("added 2026|seen never")
    places = {cell_len(line[: found.start()]) for line in lines if (found := last.search(line))}
    assert len(places) == 1  # the last column begins at the same place in each row
    assert len([line for line in lines if "trusted ◀ this device" in line]) == len(HOSTILE)


def test_a_narrow_table_fits_eighty_columns_and_a_wide_one_shows_whole_keys(described):
    for columns, whole in ((80, False), (120, True)):
        console = Console(width=columns, color_system=None)
        with console.capture() as capture:
            console.print(make_table(described, columns))
        assert max(cell_len(line) for line in capture.get().splitlines()) <= columns
        assert (described[0].thumbprint in capture.get()) is whole
        assert "the server says" in capture.get()
        assert "founded the account" in capture.get()
        assert "revoked by no. 1: stolen" in re.sub(r"\s+", " ", capture.get()) or not whole


def test_the_command_prints_what_a_script_can_read(run_cli, home, described):
    code, out, _ = run_cli("laptop", "devices", "list", "--json")
    assert code == 0
    laptop, *_, watch = json.loads(out)["devices"]
    assert laptop["this_device"] is True
    assert set(watch) == {
        "id", "thumbprint", "name", "platform", "status", "this_device", "may",
        "certified_by", "revoked_by", "reason", "server_says",
    }  # fmt: skip
    assert set(watch["server_says"]) == set(ServerSays.__slots__)
    code, out, _ = run_cli("laptop", "devices", "list")
    assert code == 0
    assert "◀ this device" in out


def test_a_new_device_says_what_kind_of_machine_it_is_and_not_its_host_name(world, monkeypatch):
    monkeypatch.setattr("platform.node", lambda: "anas-secret-laptop")
    monkeypatch.setattr("sys.platform", "linux")
    assert default_name() == "Linux computer"
    monkeypatch.setattr("sys.platform", "plan9")
    assert default_name() == "device"


def test_default_names_get_numbers():
    assert choose_free_name("Mac", ["Linux computer"]) == "Mac"
    assert choose_free_name("Mac", ["Mac", "Mac 2", "Mac 4"]) == "Mac 3"
    assert len(choose_free_name("Windows computer", ["Windows computer"] * 64)) <= MAX_NAME_CHARS


def test_two_computers_of_a_kind_are_told_apart(home, run_cli):
    from solekey import Server
    from solekey.account.enrolment import log_in
    from tests.support.client.fake_server import ORIGIN
    from tests.support.client.world import PASSWORD, USERNAME

    for name in ("first", "second"):
        home.server.now += timedelta(seconds=30)
        with log_in(
            home.folder / name, Server(ORIGIN), username=USERNAME, password=PASSWORD,
            code=home.server.code(), runtime=home.runtime,
        ):  # fmt: skip
            pass
    names = [info.name for info in home.sessions["laptop"].devices.list()]
    assert names == ["laptop", default_name(), f"{default_name()} 2"]


def test_code_wait_and_approve_work_together(run_cli, home):
    home.log_in("phone")
    code, out, _ = run_cli("phone", "devices", "wait", "--timeout", "0", "--json")
    assert code == 8
    waiting = json.loads(out.splitlines()[0])
    assert waiting["step"] == "waiting"
    phone = home.sessions["phone"].devices.own_id
    assert json.loads(run_cli("laptop", "devices", "code", phone, "--json")[1])["code"] == waiting["code"]
    assert run_cli("phone", "devices", "code")[1] == f"Device code: {waiting['code']}\n"
    wrong = waiting["code"][:-1] + str((int(waiting["code"][-1]) + 1) % 10)
    code, _, said = run_cli("laptop", "devices", "approve", wrong, "--user-key", home.phrase)
    assert (code, "device_code_mismatch" in said) == (MISMATCH, True)
    code, _, said = run_cli(
        "laptop", "devices", "approve", waiting["qr"], "--user-key", home.phrase, "--json"
    )
    assert code == 0, said
    code, out, _ = run_cli("phone", "devices", "wait", "--json")
    assert code == 0
    assert json.loads(out)["status"] == "trusted"


def test_a_mistyped_code_stops_before_the_user_key_is_asked_for(run_cli, home):
    code, _, said = run_cli("laptop", "devices", "approve", "12345")
    assert code == 1
    assert "device_code_malformed" in said
    assert "35 digits" in said


def test_the_code_is_asked_for_where_somebody_can_answer(run_cli, home, at_terminal):
    phone = home.log_in("phone")
    at_terminal(phone.devices.derive_code(phone.devices.own_id).encode_text())
    code, out, said = run_cli("laptop", "devices", "approve", "--user-key", home.phrase)
    assert code == 0, said
    assert "Approved: “phone”" in out


def test_nobody_is_asked_for_a_code_in_a_script(run_cli, home):
    code, _, said = run_cli("laptop", "devices", "approve", "--user-key", home.phrase)
    assert code == 2
    assert "give CODE" in said


def test_the_qr_code_is_read_as_what_approve_takes(tmp_path, program, home):
    """A picture of the code, read by a real reader."""
    import subprocess

    import segno

    phone = home.log_in("phone")
    code = phone.devices.derive_code(phone.devices.own_id)
    segno.make(code.encode_qr(), error="l").save(str(tmp_path / "code.png"), scale=6)
    read = subprocess.run(
        [program("zbarimg"), "--raw", "-q", tmp_path / "code.png"], capture_output=True, text=True, check=True
    )
    assert device_code.DeviceCode.parse(read.stdout) == code


def test_login_waits_until_somebody_approves(run_cli, home, monkeypatch):
    """The approval comes while the new device sleeps."""
    asleep = []

    def sleep(seconds):
        asleep.append(seconds)
        laptop = home.sessions["laptop"]
        laptop.sync()
        (waiting,) = [info for info in laptop.devices.list() if info.status.value == "pending"]
        approve_device(laptop, home.key(), laptop.devices.derive_code(waiting.id))

    monkeypatch.setattr(home.server, "sleep", sleep)
    code, out, said = run_cli(
        "phone", "login", "--server", ORIGIN, "--username", USERNAME, "--password", PASSWORD,
        "--code", home.server.code(), "--wait",
    )  # fmt: skip
    assert code == 0, said
    assert re.search("^Device code: [0-9 ]{41}$", out, re.MULTILINE)
    assert out.endswith("This device is trusted.\n")
    assert len(asleep) == 1
    assert "solekey devices approve" in said


def test_ctrl_c_ends_waiting_and_the_same_command_goes_on(run_cli, home, monkeypatch):
    home.log_in("phone")

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(home.server, "sleep", interrupt)
    code, _, said = run_cli("phone", "devices", "wait")
    assert (code, "Run the command again" in said) == (130, True)
    laptop = home.sessions["laptop"]
    laptop.sync()
    approve_device(laptop, home.key(), laptop.devices.derive_code(home.sessions["phone"].devices.own_id))
    assert run_cli("phone", "devices", "wait")[:2] == (0, "This device is trusted.\n")


def test_the_line_says_how_long_and_when_next():
    code = device_code.DeviceCode("0" * 15, "1" * 15)
    assert describe_waiting(Waiting(code, 75.2, 3.4, True)) == (
        "Waiting 1:15, next look in 3 s. Ctrl-C stops."
    )
    assert describe_waiting(Waiting(code, 5.0, 15.0, False)).endswith("The server does not answer.")
