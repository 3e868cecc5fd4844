"""D, A and B, continued: two together: crossing revocations, accounts with one key, events of one place."""

from collections.abc import Callable
from dataclasses import replace

from solekey.audit import Pin
from solekey_protocol.accepted_restoration import AcceptedRestoration, StreamLoss
from solekey_protocol.event import encode_event
from solekey_protocol.events import Signer, auth, devices
from solekey_protocol.ids import Timestamp
from solekey_protocol.services import Stream
from solekey_protocol.statements import Head
from tamper.classes.collusion import COLLUSION, say
from tamper.classes.facts import STRANGER, fact, opened
from tamper.classes.history import HISTORY
from tamper.classes.withheld import WITHHELD, cut
from tamper.people import Person
from tamper.stories import ADA, BEN, DAYS, LAPTOP, PHONE, Telling, tell_whole
from tamper.tampering import Exhibit, Outcome, both, change, honest, insert, vouch
from tamper.writing import Step, write
from tests.support.keys import Key

_help = COLLUSION.lie
_REVOKED_AT = 410

# Revocations that cross
_help(
    "the revoked phone revokes its revoker",
    insert(
        say(
            _REVOKED_AT + 2,
            devices.DeviceRevoked(LAPTOP.certificate.device, devices.RevocationReason.STOLEN),
            by=PHONE,
        )
    ),
    "lie",
    "SIG-01",
)
_help(
    "the phone rotates behind its revocation, and nobody confirms",
    both(
        lambda story: [step for step in story if step.at <= _REVOKED_AT + 1],
        insert(
            say(
                _REVOKED_AT + 2,
                ADA.start("phone's", (1, 1), (2, 3)),
                by=PHONE,
                sees={Stream.DEVICES: 4, Stream.AUTH: 9},
            )
        ),
    ),
    "lie",
    "REV-01",
)
_help(
    "a device is revoked twice",
    insert(say(950, devices.DeviceRevoked(PHONE.certificate.device, devices.RevocationReason.LOST))),
    "lie",
    "SIG-02",
)
_help(
    "a device is revoked that never was",
    insert(say(950, devices.DeviceRevoked(STRANGER.certificate.device, devices.RevocationReason.LOST))),
    "lie",
    "SIG-02",
)
_help(
    "the re-key after a revocation runs before the user key changes, and stays owed",
    both(
        lambda story: [step for step in story if not step.name.startswith("ada.second") and step.at <= 415],
        insert(
            *Telling(ADA).rekey(420, "early rekey", 1, 3, (2, 1), (6, 4), LAPTOP, "revocation").steps,
            *Telling(ADA).change_key(440, "late change", (1, 2), {3: 1}, (LAPTOP,), "revocation").steps,
            Step("end", 500, ADA, auth.SessionEnded(ADA.session("first"), auth.SessionEnd.LOGOUT)),
            fact(40 * DAYS, auth.LoginFailed(auth.LoginStage.LOGIN_KEY), "late"),
        ),
    ),
    "ada.revoked",
    "ROT-05",
    outcome=Outcome.NOTICED,
)
_help(
    "a device is certified with another's name",
    insert(
        opened(600, STRANGER, name="stranger"),
        say(
            601,
            devices.DeviceEnrolled(
                replace(STRANGER.certificate, name_commitment=LAPTOP.certificate.name_commitment)
            ),
            by=STRANGER,
        ),
    ),
    "lie",
    "SIG-02",
)
_help(
    "a device is certified with another platform than it enrolled with",
    change(
        "ada.phone trusted",
        body=devices.DeviceTrusted(
            ADA.user_key(0).public,
            replace(PHONE.certificate, name_commitment=STRANGER.certificate.name_commitment),
        ),
    ),
    "ada.phone trusted",
    "SIG-02",
)


def _share_user_key() -> Exhibit:
    """Two accounts are founded with one user key: who has the one has the other."""
    eve = Person("eve")
    telling = Telling(eve).sign_up(5_000, eve.device("only"))
    shared = replace(eve.founded(eve.device("only")), account_key=ADA.user_key(0).public)
    steps = [
        step.but(body=shared, keys={Signer.ACCOUNT: ADA.user_key(0)}) if step.name == "eve.founded" else step
        for step in telling.steps
    ]
    steps = [
        step.but(keys={Signer.ACCOUNT: ADA.user_key(0)}) if step.name == "eve.wrapped" else step
        for step in steps
    ]
    written = write([*tell_whole(), *steps])
    pins = {**vouch(written), eve.account: Pin(ADA.user_key(0).public)}
    return Exhibit(written.records, written.places["eve.founded"], pins)


def _share_commit_key() -> Exhibit:
    """Two accounts have one data key."""
    eve = Person("eve")
    telling = Telling(eve).sign_up(5_000, eve.device("only"))
    wrap = replace(eve.wrap(1, 1, 0), commit_key=ADA.commit_key(1).public)
    steps = [
        step.but(body=wrap, keys={Signer.COMMIT: ADA.commit_key(1)}) if step.name == "eve.wrapped" else step
        for step in telling.steps
    ]
    written = write([*tell_whole(), *steps])
    pins = {**vouch(written), eve.account: Pin(eve.user_key(0).public)}
    return Exhibit(written.records, written.places["eve.wrapped"], pins)


COLLUSION.add("two accounts have one user key", _share_user_key, "WRP-02")
COLLUSION.add("two accounts have one data key", _share_commit_key, "WRP-02")


# First and last events
def _begin_elsewhere() -> Exhibit:
    """The first event of a stream names bytes before it."""
    first = honest().find("ben.registered")
    event = encode_event(
        first.body,
        account=first.account,
        after=Head(0, honest().find("ada.registered").digest),
        time=first.time,
    )
    rest = [e.raw for e in honest().events if (e.account, e.stream) != (first.account, Stream.AUTH)]
    return Exhibit([event.raw, *rest], (first.account, Stream.AUTH, 1))


def _end_twice() -> Exhibit:
    """The last event of a stream is there twice, a millisecond apart."""
    last = honest().find("ben.end")
    other = write(change("ben.end", at=2_600.001)(tell_whole())).find("ben.end")
    return Exhibit([*honest().records, other.raw], (last.account, last.stream, last.seq))


HISTORY.add("the first event of a stream names bytes before it", _begin_elsewhere, "CHN-02", "CHN-01")
HISTORY.add("the last event of a stream is there twice", _end_twice, "CHN-02")
HISTORY.add(
    "a record of 65,536 bytes",
    lambda: Exhibit([*honest().records, b'{"' + b"a" * 65_530 + b'":0}']),
    "REC-01",
    named=False,
    reason="it claims no place",
)
HISTORY.add(
    "a record of no bytes",
    lambda: Exhibit([*honest().records, b""]),
    "REC-01",
    named=False,
    reason="it claims no place",
)


# Withheld
def _only_auth() -> Exhibit:
    """Of an account that nobody vouches for, no stream but auth is shown: as if it had never been founded."""
    eve = Person("eve")
    steps = [step for step in Telling(eve).sign_up(4_000, eve.device("only")).steps if step.by is None]
    return Exhibit(write([*tell_whole(), *steps]).records, None, vouch(honest()))


def _only_auth_of_ben() -> Exhibit:
    """The same of one that its user vouches for."""
    kept = [e.raw for e in honest().events if e.account != BEN.account or e.stream is Stream.AUTH]
    return Exhibit(kept, (BEN.account, Stream.DEVICES, 1), vouch(honest()))


def _pin_of_nothing() -> Exhibit:
    """A pin that names nothing, as an operator would write it."""
    return Exhibit(honest().records, None, {**vouch(honest()), BEN.account: Pin()})


def _accept(key: Key) -> Callable[[], Exhibit]:
    """The last commit is lost, and its user's head file says that this was accepted as a restoration."""

    def make() -> Exhibit:
        account, stream, seq = honest().places["ada.last delta"]
        lost = honest().find("ada.last delta").head
        kept = next(e for e in honest().events if (e.account, e.stream, e.seq) == (account, stream, seq - 1))
        accepted = AcceptedRestoration(
            account,
            key.public,
            LAPTOP.certificate.device,
            Timestamp("2026-12-02T00:00:00.000Z"),
            {stream: StreamLoss(_BACKED_UP, _RESTORED, kept.head, lost)},
        )
        pin = Pin(ADA.user_key(0).public, restorations=((accepted, key.sign(accepted.signing_bytes())),))
        return replace(cut("ada.last delta"), pins={**vouch(honest()), account: pin})

    return make


_BACKED_UP, _RESTORED = Timestamp("2026-12-01T00:00:00.000Z"), Timestamp("2026-12-01T12:00:00.000Z")
WITHHELD.add("no stream but auth is shown, and nobody vouches", _only_auth, outcome=Outcome.UNVOUCHED)
WITHHELD.add("no stream but auth is shown of a user who vouches", _only_auth_of_ben, "PIN-01")
WITHHELD.add("a pin that names nothing", _pin_of_nothing, outcome=Outcome.UNVOUCHED)
WITHHELD.add("a loss, accepted with a key that was never the user's", _accept(STRANGER.key), "PIN-05")
WITHHELD.add(
    "a loss that the user has accepted with the user key",
    _accept(ADA.user_key(0)),
    "PIN-05",
    outcome=Outcome.NOTICED,
)
