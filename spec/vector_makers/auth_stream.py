"""The auth stream of an account: sessions and factors. Spec: tokens.md §6.1."""

from vector_makers.account import LAPTOP, LATER, PHONE, device, digest, session
from vector_makers.primitives import DEVICE_SEED, public_key
from vector_makers.saying import Members
from vector_makers.story import Case, Rules, Story, gather, make_accepted, make_refusals
from vector_makers.vector import VectorFile

RULES: Rules = dict.fromkeys(
    ("opened-once", "refresh", "step-up", "reuse", "closed", "withdrawn"),
    ("§6.1", "transition", "transition_refused"),
)


def make_file() -> VectorFile:
    """Make the vectors."""
    about = "Which fact may follow in the auth stream of an account, and what the stream amounts to."
    vectors = [*make_accepted("§6.1", _followed()), *make_refusals(RULES, _refused())]
    return gather("auth_stream", "tokens.md", about, vectors)


def _opened(label: str, seed: bytes = LAPTOP) -> Members:
    return {"device": device(seed), "expires_at": LATER, "factor": "totp", "session": session(label)}


def _refreshed(label: str, generation: int) -> Members:
    return {"generation": generation, "session": session(label)}


def _reused(label: str, generation: int) -> Members:
    return {"generation": generation, "session": session(label)}


def _ended(label: str) -> Members:
    return {"reason": "logout", "session": session(label)}


def _published() -> Members:
    key = public_key(DEVICE_SEED).hex()
    return {"key_id": key[:32], "not_after": LATER, "not_before": LATER, "public_key": key}


TOTP = {"factor": "totp", "factor_id": digest("totp")}
ENROLLED = Story().tell("auth.account_registered", {"credential_version": 1}).tell("auth.mfa_enrolled", TOTP)
OPENED = ENROLLED.tell("auth.session_opened", _opened("one"))
ENDED = OPENED.tell("auth.session_ended", _ended("one"))
CLOSED = ENDED.tell("auth.account_closed", {"credential_version": 1})
WITHDRAWN = (
    Story()
    .tell("auth.signing_key_published", _published())
    .tell("auth.signing_key_withdrawn", {"key_id": _published()["key_id"]})
)


def _followed() -> list[tuple[str, Story, Members, str]]:
    factors = {TOTP["factor_id"]: "totp"}

    def amounts(sessions: Members, closed: bool = False) -> Members:
        named = {session(label): generation for label, generation in sessions.items()}
        return {"closed": closed, "factors": {} if closed else factors, "sessions": named}

    refreshed = OPENED.tell("auth.session_refreshed", _refreshed("one", 2))
    two = refreshed.tell("auth.session_opened", _opened("two", PHONE))
    moved = two.tell("auth.mfa_removed", TOTP)
    return [
        ("a login", OPENED, amounts({"one": 1}), "The first refresh token is generation 1."),
        ("a refresh", refreshed, amounts({"one": 2}), "The next generation."),
        ("two sessions", two, amounts({"one": 2, "two": 1}), "None ends because another begins."),
        (
            "a step-up",
            two.tell("auth.session_stepped_up", {"factor": "totp", "session": session("two")}),
            amounts({"one": 2, "two": 1}),
            "It changes how fresh a factor is, and nothing else.",
        ),
        (
            "a used refresh token that comes back",
            refreshed.tell("auth.refresh_reuse_detected", _reused("one", 1)),
            amounts({"one": 2}),
            "Its end follows as an event of its own.",
        ),
        (
            "the newest refresh token, with another key",
            refreshed.tell("auth.refresh_reuse_detected", _reused("one", 2)),
            amounts({"one": 2}),
            "Whoever has it is not the device.",
        ),
        ("an end", two.tell("auth.session_ended", _ended("one")), amounts({"two": 1}), "The other goes on."),
        (
            "a factor that was removed",
            moved,
            {**amounts({"one": 2, "two": 1}), "factors": {}},
            "Sessions stay.",
        ),
        (
            "a failed login",
            OPENED.tell("auth.login_failed", {"stage": "login_key"}),
            amounts({"one": 1}),
            "A fact that changes nothing.",
        ),
        ("the end of the account", CLOSED, amounts({}, closed=True), "No session and no factor is left."),
        (
            "a withdrawn signing key",
            WITHDRAWN,
            {"closed": False, "factors": {}, "sessions": {}},
            "Announced and withdrawn; it holds no session.",
        ),
    ]


def _refused() -> list[Case]:
    return [
        (
            "opened-once",
            "a session that is open",
            OPENED.then("auth.session_opened", _opened("one")),
            "An id is never opened again.",
        ),
        (
            "opened-once",
            "a session that has ended",
            ENDED.then("auth.session_opened", _opened("one")),
            "An id is never opened again: a token of the ended one would be good.",
        ),
        (
            "refresh",
            "the same generation",
            OPENED.then("auth.session_refreshed", _refreshed("one", 1)),
            "Each refresh is the next generation.",
        ),
        (
            "refresh",
            "a generation left out",
            OPENED.then("auth.session_refreshed", _refreshed("one", 3)),
            "Each refresh is the next generation.",
        ),
        (
            "refresh",
            "a session that nobody opened",
            OPENED.then("auth.session_refreshed", _refreshed("two", 2)),
            "Only an open session is refreshed.",
        ),
        (
            "refresh",
            "a session that has ended",
            ENDED.then("auth.session_refreshed", _refreshed("one", 2)),
            "What has ended stays ended.",
        ),
        (
            "step-up",
            "a session that nobody opened",
            OPENED.then("auth.session_stepped_up", {"factor": "totp", "session": session("two")}),
            "Only an open session steps up.",
        ),
        (
            "step-up",
            "a session that has ended",
            ENDED.then("auth.session_stepped_up", {"factor": "totp", "session": session("one")}),
            "What has ended stays ended.",
        ),
        (
            "reuse",
            "a session that nobody opened",
            OPENED.then("auth.refresh_reuse_detected", _reused("two", 1)),
            "It has no tokens.",
        ),
        (
            "reuse",
            "a session that has ended",
            ENDED.then("auth.refresh_reuse_detected", _reused("one", 1)),
            "A token of a session that has ended makes no event.",
        ),
        (
            "reuse",
            "a generation that was never given",
            OPENED.then("auth.refresh_reuse_detected", _reused("one", 2)),
            "Nobody holds such a token.",
        ),
        (
            "closed",
            "a login",
            CLOSED.then("auth.session_opened", _opened("two")),
            "Nothing follows the end of an account.",
        ),
        (
            "closed",
            "a failed login",
            CLOSED.then("auth.login_failed", {"stage": "login_key"}),
            "Nothing follows the end of an account, not even what changes nothing.",
        ),
        (
            "closed",
            "a second end",
            CLOSED.then("auth.account_closed", {"credential_version": 1}),
            "Nothing follows the end of an account.",
        ),
        (
            "withdrawn",
            "the key again",
            WITHDRAWN.then("auth.signing_key_published", _published()),
            "A withdrawn key never comes back.",
        ),
    ]
