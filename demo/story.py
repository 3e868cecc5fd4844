"""`make demo`: the whole story on an embedded platform, told step by step, and audited at the end.

Ada signs up on her laptop, adds her phone, keeps notes and a large file, changes her key, and loses the
phone. Then the business tampers, and an auditor looks. Every step is the real client against the real
services; the story ends with exit status 1 where anything does not happen as it is told.
"""

import os
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pyotp

from demo.narrator import Narrator, StepFailedError, demand
from demo.server import Platform
from demo.verdict import execute_notebook, search_for_leaks, verify_exported, write_pins
from solekey import Server, SolekeyError, UserKey
from solekey.account.enrolment import log_in, trust_device
from solekey.account.session import Session
from solekey.account.sign_up import SignUp
from solekey.errors import UnknownWordError, WrongUserKeyError
from solekey.rotation.revocation import revoke_device
from solekey.rotation.rotation import change_user_key
from solekey_protocol.ids import AccountId, PublicKey

FOLDER = Path(__file__).parents[1] / "build" / "demo"
PASSWORD = "correct horse battery staple"  # noqa: S105 - the story's own
NOTE = "The spare key is under the third flower pot."
FILM_BYTES = 20 * 2**20
CODE_PERIOD_S = 30


@dataclass
class Ada:
    """What the user knows and holds."""

    server: Server
    phrase: str = ""
    old_phrases: list[str] = field(default_factory=list)
    totp: str = ""
    codes_used: int = -1
    pin: tuple[AccountId, PublicKey] | None = None

    def code(self) -> str:
        """The next code that was not used: each is good for one login."""
        step = max(int(time.time()) // CODE_PERIOD_S, self.codes_used + 1)  # servers take the next one early
        self.codes_used = step
        return pyotp.TOTP(self.totp).at(step * CODE_PERIOD_S)

    def key(self) -> UserKey:
        """The user key, typed in."""
        return UserKey.from_phrase(self.phrase)

    def new_key(self) -> UserKey:
        """A new user key, whose words Ada writes down."""
        made = UserKey.make()
        self.old_phrases.append(self.phrase)
        self.phrase = made.to_phrase()
        return made

    def log_in(self, device: str) -> Session:
        """Log in on a device, new or known."""
        return log_in(
            FOLDER / device,
            self.server,
            username="ada",
            password=PASSWORD,
            code=self.code(),
            device_name=device,
        )


def sign_up(tell: Narrator, ada: Ada) -> None:
    """The first device."""
    with (
        tell.step("Ada signs up on her laptop"),
        SignUp(FOLDER / "laptop", ada.server, username="ada", device_name="laptop") as sign_up,
    ):
        ada.totp = sign_up.register(PASSWORD).secret
        tell.server("got a login public key and a salt: no password, nothing equivalent to one")
        with sign_up.prove_second_factor(PASSWORD, ada.code()) as session:
            user_key = sign_up.make_user_key()
            ada.phrase = user_key.to_phrase()
            sign_up.found(session, user_key)
            ada.pin = (session.account, demand_key(session))
        tell.device(f"made the user key, shown once: “{' '.join(ada.phrase.split()[:3])} … (24 words)”")
        tell.server("got the data key wrapped under the user key: 142 bytes that it cannot open")


def demand_key(session: Session) -> PublicKey:
    """The account key as this device verified it."""
    key = session.streams.devices.account_key
    if key is None:
        raise StepFailedError("the account is not founded")
    return key


def keep_data(tell: Narrator, ada: Ada, film: Path) -> None:
    """Items and a file."""
    with tell.step("The laptop keeps notes and a large file"), Session.open(FOLDER / "laptop") as session:
        with session.unlock(ada.key()) as vault:
            vault.put("spare key", NOTE, tags=["home"])
            vault.put_many({f"note {number}": f"entry {number}".encode() for number in range(20)})
            vault.put_file(film, "holiday film")
            names = len(vault.list())
        tell.device(f"encrypted {names} items, one of {FILM_BYTES // 2**20} MiB, their names too")
        tell.server("got padded ciphertext under its digests, and signed commits")


def add_phone(tell: Narrator, ada: Ada) -> None:
    """The second device: pending, wrong words, trusted."""
    with tell.step("Ada adds her phone"), ada.log_in("phone") as session:
        tell.device("logged in with password and one-time code: pending, trusted with nothing yet")
        with tell.refused(UnknownWordError, "the phone itself"):
            UserKey.from_phrase(ada.phrase.rsplit(" ", 1)[0] + " solekey")
        with tell.refused(WrongUserKeyError, "the phone itself"):
            trust_device(session, UserKey.make())
        with tell.refused(SolekeyError, "phone and server"), session.unlock(ada.key()) as vault:
            vault.put("too early", "a pending device must not write")
        trust_device(session, ada.key())
        with session.unlock(ada.key()) as vault:
            demand(vault.get("spare key").content.decode() == NOTE, "the phone reads another note")
        tell.device(f"the phone got the wrap again, asked for the user key, and reads: “{NOTE}”")


def write_at_once(tell: Narrator, ada: Ada) -> None:
    """Two devices change the same item at the same moment."""
    with (
        tell.step("Both devices change the same note at the same moment"),
        Session.open(FOLDER / "laptop") as laptop,
        Session.open(FOLDER / "phone") as phone,
        laptop.unlock(ada.key()) as on_laptop,
        phone.unlock(ada.key()) as on_phone,
    ):
        on_laptop.get("spare key")
        on_phone.get("spare key")
        on_laptop.put("spare key", "Moved: the neighbour has it.")
        copy = on_phone.put("spare key", "Moved: it is in the shed.")
        notes = [item for item in on_laptop.list() if item.name.startswith("spare key")]
        contents = {on_laptop.get(item.id).content for item in notes}
        demand(copy.conflict and len(contents) == 2, "a write was lost")
        tell.device(f"nothing is lost: the later writer keeps a conflict copy, “{copy.name}”")


def restart(tell: Narrator, platform: Platform) -> None:
    """The business restarts its service."""
    with tell.step("The business restarts the platform"):
        platform.stop()
        platform.start()
        tell.server("came back with all its data")


def change_key(tell: Narrator, ada: Ada) -> None:
    """Rotation of the user key."""
    with tell.step("Ada changes her user key"), Session.open(FOLDER / "laptop") as session:
        with session.unlock(ada.key()) as vault:
            change_user_key(vault, ada.new_key())
        old_key = UserKey.from_phrase(ada.old_phrases[-1])
        with tell.refused(WrongUserKeyError, "the laptop itself"), session.unlock(old_key):
            pass
        tell.device("24 new words; the old ones open nothing that is stored")


def lose_phone(tell: Narrator, ada: Ada) -> None:
    """Revocation: signed, both keys rotated, the device refused."""
    phone = Session.open(FOLDER / "phone")
    with tell.step("The phone is stolen; Ada revokes it from the laptop"), phone:
        with Session.open(FOLDER / "laptop") as session, session.unlock(ada.key()) as vault:
            stolen = phone.connection.profile.device_key.device_id
            revocation = revoke_device(vault, stolen, ada.new_key())
            tell.device(revocation.describe())
        with tell.refused(SolekeyError, "the server"):
            phone.sync()


def read_back(tell: Narrator, ada: Ada, film: Path) -> None:
    """All that was acknowledged is still readable."""
    with (
        tell.step("Everything is still readable, re-encrypted under the new key"),
        Session.open(FOLDER / "laptop") as session,
        session.unlock(ada.key()) as vault,
    ):
        copy = FOLDER / "holiday film.copy"
        vault.get_file("holiday film", copy)
        demand(copy.read_bytes() == film.read_bytes(), "the film came back different")
        demand(vault.get("note 7").content == b"entry 7", "a note came back different")
        tell.device(f"{len(vault.list())} items decrypted; the film is identical, byte for byte")


def tamper(tell: Narrator, ada: Ada, platform: Platform) -> None:
    """The business changes one bit of its ciphertexts."""
    with (
        tell.step("The business flips one bit of each stored object"),
        platform.tampered(),
        Session.open(FOLDER / "laptop") as session,
        session.unlock(ada.key()) as vault,
    ):
        with tell.refused(SolekeyError, "the laptop itself"):
            vault.get_file("holiday film", FOLDER / "tampered film")
        demand(not (FOLDER / "tampered film").exists(), "plaintext of a tampered file was released")


def audit(tell: Narrator, ada: Ada, platform: Platform, film: Path) -> None:
    """The auditor's verdict."""
    if ada.pin is None:
        raise StepFailedError("nothing is pinned")
    pins, log = dict([ada.pin]), FOLDER / "events.jsonl"
    with tell.step("An auditor replays the event log"):
        write_pins(FOLDER / "pins.json", pins)
        verify_exported(tell, platform, log, pins)
        secrets = {
            "user key": ada.key().expose(),
            "user key's words": ada.phrase.encode(),
            "password": PASSWORD.encode(),
            "note": NOTE.encode(),
            "item's name": b"holiday film",
            "film": film.read_bytes()[1000:1032],
        }
        search_for_leaks(tell, platform, {name: bytes(secret) for name, secret in secrets.items()})
        execute_notebook(tell, log, FOLDER / "pins.json")


def main() -> int:
    """Run the story; 0 when all of it happened."""
    started_s = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    film = FOLDER / "holiday film"
    film.write_bytes(os.urandom(FILM_BYTES))
    platform = Platform(FOLDER / "server")
    tell = Narrator(platform)
    try:
        platform.start()
        tell.server(f"embedded platform at {platform.ready['url']}, TLS 1.3, local CA")
        ada = Ada(Server(platform.ready["url"], ca_file=Path(platform.ready["ca"])))
        sign_up(tell, ada)
        keep_data(tell, ada, film)
        add_phone(tell, ada)
        write_at_once(tell, ada)
        restart(tell, platform)
        change_key(tell, ada)
        lose_phone(tell, ada)
        read_back(tell, ada, film)
        tamper(tell, ada, platform)
        audit(tell, ada, platform, film)
    except (SolekeyError, StepFailedError) as error:
        tell.console.print(f"\n[bold red]The story broke: {error}[/bold red]")
        return 1
    finally:
        platform.stop()
    taken_s = time.monotonic() - started_s
    tell.console.print(f"\n[bold]Verdict: clean[/bold], after {taken_s:.0f} s. All of it is in build/demo.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
