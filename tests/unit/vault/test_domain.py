"""What the vault decides beyond the stream's rules, as tables: each refused step beside the accepted one."""

from dataclasses import dataclass, replace

import pytest

from solekey_eventlog.errors import NotYetAppliedError
from solekey_protocol.change_list import Part
from solekey_protocol.errors import SignatureError, TransitionError
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.vault import CommitKind, ObjectsPurged, WrapRetired
from solekey_protocol.ids import ItemId, Timestamp
from solekey_protocol.limits import MAX_CHANGES
from solekey_protocol.page_list import encode_pages, parse_page_list
from solekey_protocol.statements import SignedStatement
from solekey_protocol.streams import VaultStream
from solekey_service.refusals import WrapInUse
from solekey_vault.context import CommitContext, Context, SnapshotVerdict
from solekey_vault.domain import verify
from solekey_vault.refusals import (
    CommitMismatch,
    PartsMissing,
    RotationRequired,
    StaleKeyEpoch,
    VersionConflict,
    WrapMismatch,
    WrapMissing,
)
from tests.support.actors import Actor, UserKey
from tests.support.content import change_of, commit_of, seal_wrap_like, wrapped_as
from tests.support.keys import derive_commit_key, derive_raw

ANA = Actor("ana", "laptop")
NOON = Timestamp("2026-11-23T12:00:00.000Z")
OLD, NEW, OTHER = (UserKey(name).key_id for name in ("old", "new", "other"))
EMPTY = VaultStream.start(ANA.account)


def stream_of(*bodies):
    state = EMPTY
    for body in bodies:
        state = state.transition(body, NOON)
    return state


NOTHING = Context()


@dataclass(frozen=True)
class Case:
    """A statement, and what is stored of what it names."""

    signed: SignedStatement
    context: Context = NOTHING

    @property
    def body(self):
        return self.signed.statement.body


class EverybodyIsTrusted:
    """The devices stream of these tests: tests/unit/protocol has its rules."""

    def verify_statement(self, signed):
        return signed.statement


def take(state, case):
    """Take a statement as StatementFlow does; return the stream that goes on with it."""
    state.verify(case.signed, EverybodyIsTrusted())
    verify(state, case.context, case.signed.statement)
    return state.transition(case.body, NOON)


def wrap(epoch=1, version=1, key_id=OLD):
    body = seal_wrap_like(epoch, version, key_id)
    return Case(ANA.sign(wrapped_as(body)), Context(wrap=body))


FIRST = stream_of(wrap().body)


@pytest.mark.parametrize(
    ("state", "case"),
    [(EMPTY, wrap()), (FIRST, wrap(version=2)), (FIRST, wrap(version=2, key_id=NEW)), (FIRST, wrap(epoch=2))],
    ids=["first", "again under the same key", "user key change", "data re-key"],
)
def test_wraps_are_taken(state, case):
    assert take(state, case)


REFUSED_WRAPS = {
    "the bytes are not there": (EMPTY, replace(wrap(), context=NOTHING), WrapMissing),
    "the bytes are no wrap": (
        EMPTY,
        replace(wrap(), context=Context(wrap=b"SKW1" + bytes(138))),
        WrapMismatch,
    ),
    "the header has another epoch": (EMPTY, replace(wrap(), context=wrap(epoch=2).context), WrapMismatch),
    "the header has another version": (EMPTY, replace(wrap(), context=wrap(version=2).context), WrapMismatch),
    "the header has another key": (EMPTY, replace(wrap(), context=wrap(key_id=NEW).context), WrapMismatch),
    "a version is skipped": (FIRST, wrap(version=3), TransitionError),
    "the author has no data key": (
        EMPTY,
        replace(wrap(), signed=ANA.sign(wrap().body, commit=ANA.key)),
        SignatureError,
    ),
}


@pytest.mark.parametrize("what", REFUSED_WRAPS)
def test_wraps_are_refused(what):
    state, case, error = REFUSED_WRAPS[what]
    with pytest.raises(error):
        take(state, case)


def retire(case, *sealed_epochs):
    body = case.body
    retired = WrapRetired(body.secret, body.epoch, body.wrap_version, body.wrap)
    return Case(ANA.sign(retired), Context(sealed_epochs=frozenset(sealed_epochs)))


BOTH_KEYS = stream_of(wrap().body, wrap(version=2, key_id=NEW).body)
TWO_EPOCHS = stream_of(wrap().body, wrap(epoch=2).body)

RETIREMENTS = {
    "the old wrap after a user key change": (BOTH_KEYS, NEW, retire(wrap(), 1), None),
    "the old wrap before the user key change": (BOTH_KEYS, OLD, retire(wrap(), 1), WrapInUse),
    "a staged wrap of an aborted change": (BOTH_KEYS, OLD, retire(wrap(version=2, key_id=NEW), 1), None),
    "the new wrap after the change": (
        BOTH_KEYS,
        NEW,
        retire(wrap(version=2, key_id=NEW), 1),
        WrapInUse,
    ),
    "the newest epoch's, even without items": (BOTH_KEYS, OLD, retire(wrap()), WrapInUse),
    "an old epoch with items": (TWO_EPOCHS, OLD, retire(wrap(), 1, 2), WrapInUse),
    "an old epoch without items": (TWO_EPOCHS, OLD, retire(wrap(), 2), None),
    "an old epoch that is empty altogether": (TWO_EPOCHS, OLD, retire(wrap()), None),
    "the only wrap": (FIRST, OLD, retire(wrap()), WrapInUse),
    "nobody's account": (BOTH_KEYS, None, retire(wrap(), 1), WrapInUse),
    "a wrap that is not there": (TWO_EPOCHS, OLD, retire(wrap(version=7), 2), TransitionError),
}


@pytest.mark.parametrize("what", RETIREMENTS)
def test_no_wrap_that_is_needed_is_retired(what):
    state, key_id, case, error = RETIREMENTS[what]
    case = replace(case, context=replace(case.context, key_id=key_id))
    if error is None:
        assert take(state, case)
        return
    with pytest.raises(error):
        take(state, case)


ITEM, SECOND = (ItemId.from_raw(derive_raw(name)) for name in ("item", "second item"))
AT_ONE = {ITEM: change_of(ITEM, 1)}


def commit(*changes, kind=CommitKind.DELTA, current=None, parts=None, **lies):
    """A commit whose parts are uploaded, unless ``parts`` says otherwise; ``lies`` are fields of its body."""
    body = commit_of(*changes, kind=kind, **lies)
    uploaded = {part.digest: part.size for change in changes for part in change.parts}
    context = CommitContext(changes, current or {}, uploaded if parts is None else parts)
    return Case(ANA.sign(body), Context(commit=context))


def snapshot(*, compared=0, difference=None, parts=None, **lies):
    """A snapshot, compared as of a commit; its pages are uploaded, unless ``parts`` says otherwise."""
    changes = AT_ONE.values()
    body = commit_of(*changes, kind=CommitKind.SNAPSHOT, **lies)
    encoded, _ = encode_pages(changes)
    pages = parse_page_list(encoded)
    uploaded = {page.digest: page.size for page in pages}
    verdict = SnapshotVerdict(compared, pages, difference)
    context = CommitContext((), part_sizes=uploaded if parts is None else parts, verdict=verdict)
    return Case(ANA.sign(body), Context(commit=context))


def remove(item, version):
    return change_of(item, version, epoch=0, size=0)


ONE_MORE = change_of(SECOND, 1)
SECOND_EPOCH = stream_of(wrap().body, wrap(epoch=2).body)

COMMITS = {
    "a first item": (FIRST, commit(change_of(ITEM, 1)), None),
    "its next version": (FIRST, commit(change_of(ITEM, 2), current=AT_ONE), None),
    "its removal": (FIRST, commit(remove(ITEM, 2), current=AT_ONE), None),
    "an item that was removed comes back": (
        FIRST,
        commit(change_of(ITEM, 3), current={ITEM: remove(ITEM, 2)}),
        None,
    ),
    "a rekey": (
        SECOND_EPOCH,
        commit(change_of(ITEM, 2, epoch=2), kind=CommitKind.REKEY, current=AT_ONE, epoch=2),
        None,
    ),
    "a snapshot": (FIRST, snapshot(), None),
    "a snapshot in which old epochs remain": (SECOND_EPOCH, snapshot(epoch=2), None),
    "a version is repeated": (FIRST, commit(change_of(ITEM, 1), current=AT_ONE), VersionConflict),
    "a version is skipped": (FIRST, commit(change_of(ITEM, 3), current=AT_ONE), VersionConflict),
    "an unknown item's second version": (FIRST, commit(change_of(ITEM, 2)), VersionConflict),
    "an unknown item is removed": (FIRST, commit(remove(ITEM, 1)), VersionConflict),
    "an item is removed twice": (
        FIRST,
        commit(remove(ITEM, 3), current={ITEM: remove(ITEM, 2)}),
        VersionConflict,
    ),
    "an unknown item is rekeyed": (FIRST, commit(ONE_MORE, kind=CommitKind.REKEY), VersionConflict),
    "a rekey of what is under this epoch": (
        FIRST,
        commit(change_of(ITEM, 2), kind=CommitKind.REKEY, current=AT_ONE),
        CommitMismatch,
    ),
    "an old epoch": (SECOND_EPOCH, commit(change_of(ITEM, 1)), StaleKeyEpoch),
    "an epoch to come": (FIRST, commit(change_of(ITEM, 1, epoch=2), epoch=2), TransitionError),
    "a put under another epoch": (SECOND_EPOCH, commit(change_of(ITEM, 1), epoch=2), CommitMismatch),
    "a rekey removes": (
        FIRST,
        commit(remove(ITEM, 2), kind=CommitKind.REKEY, current=AT_ONE),
        CommitMismatch,
    ),
    "no change list": (FIRST, replace(commit(change_of(ITEM, 1)), context=NOTHING), PartsMissing),
    "a part is missing": (FIRST, commit(change_of(ITEM, 1), parts={}), PartsMissing),
    "a part has another size": (
        FIRST,
        commit(change_of(ITEM, 1), parts={change_of(ITEM, 1).parts[0].digest: 1}),
        CommitMismatch,
    ),
    "the count is a lie": (FIRST, commit(change_of(ITEM, 1), count=2), CommitMismatch),
    "the size is a lie": (FIRST, commit(change_of(ITEM, 1), bytes=1), CommitMismatch),
    "too many changes": (
        FIRST,
        commit(
            *[
                change_of(
                    ItemId.from_raw(n.to_bytes(16, "big")), 1, parts=(Part(ONE_MORE.parts[0].digest, 9),)
                )
                for n in range(MAX_CHANGES + 1)
            ]
        ),
        CommitMismatch,
    ),
    "a snapshot that is not what there is": (FIRST, snapshot(difference="an item"), CommitMismatch),
    "a snapshot that was compared too early": (FIRST, snapshot(compared=5), NotYetAppliedError),
    "a snapshot without a page": (FIRST, snapshot(parts={}), PartsMissing),
    "a snapshot under an old epoch": (SECOND_EPOCH, snapshot(), StaleKeyEpoch),
    "the author has no data key": (
        FIRST,
        replace(commit(change_of(ITEM, 1)), signed=ANA.sign(commit_of(change_of(ITEM, 1)), commit=ANA.key)),
        SignatureError,
    ),
    "the author has the data key of another epoch": (
        SECOND_EPOCH,
        replace(
            commit(change_of(ITEM, 1, epoch=2), epoch=2),
            signed=ANA.sign(commit_of(change_of(ITEM, 1, epoch=2), epoch=2), commit=derive_commit_key(1)),
        ),
        SignatureError,
    ),
    "a commit number is skipped": (FIRST, commit(change_of(ITEM, 1), commit=2), TransitionError),
}


@pytest.mark.parametrize("what", COMMITS)
def test_commits(what):
    state, case, error = COMMITS[what]
    if error is None:
        assert take(state, case)
        return
    with pytest.raises(error):
        take(state, case)


def test_a_conflict_names_the_items_and_what_the_vault_has():
    case = commit(change_of(ITEM, 1), ONE_MORE, current=AT_ONE)
    with pytest.raises(VersionConflict) as refused:
        take(FIRST, case)
    assert refused.value.extras == {"conflicts": [{"item": ITEM, "version": 1, "removed": False}]}


def test_a_purge_goes_no_further_than_the_commits():
    state = FIRST.transition(commit_of(change_of(ITEM, 1)), NOON)
    for through, accepted in ((1, True), (2, False)):
        case = Case(ANA.sign(ObjectsPurged(through)))
        if accepted:
            assert take(state, case)
        else:
            with pytest.raises(TransitionError):
                take(state, case)


def test_while_a_rotation_is_due_its_wraps_are_taken():
    enforced = frozenset(RotationKind)
    for state, case in ((EMPTY, wrap()), (FIRST, wrap(version=2, key_id=NEW)), (FIRST, wrap(epoch=2))):
        assert take(state, replace(case, context=replace(case.context, enforced=enforced)))


@pytest.mark.parametrize("kind", CommitKind)
def test_while_a_rotation_is_due_under_an_enforced_policy_only_a_re_encryption_is_taken(kind):
    cases = {
        CommitKind.DELTA: (FIRST, commit(ONE_MORE)),
        CommitKind.REKEY: (
            SECOND_EPOCH,
            commit(change_of(ITEM, 2, epoch=2), kind=CommitKind.REKEY, current=AT_ONE, epoch=2),
        ),
        CommitKind.SNAPSHOT: (FIRST, snapshot()),
    }
    state, case = cases[kind]
    assert take(state, case)
    waiting = replace(case, context=replace(case.context, enforced=frozenset(RotationKind)))
    if kind is not CommitKind.DELTA:
        assert take(state, waiting)
        return
    with pytest.raises(RotationRequired, match="data_key, user_key") as refused:
        take(state, waiting)
    assert refused.value.extras == {"kinds": ["data_key", "user_key"]}
