"""The base of every error of the client, and what any part of it may meet. Spec: conventions.md §6."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar


class Action(StrEnum):
    """What a program may do next about an error; `SolekeyError.diagnostics` says it in words.

    Attributes:
        LOG_IN: log in with the profile: there is no session, or it has ended.
        TRUST_DEVICE: have this device trusted, with the user key or by another device.
        STEP_UP: prove a second factor, then try again.
        UNLOCK: unlock the account with its user key.
        ENTER_AGAIN: ask the person again: what was typed is not right.
        CHOOSE_ANOTHER: choose another name, file, place or key: this one is taken or does not serve.
        LOOK_AGAIN: list what there is: nothing, or more than one thing, is called so.
        CORRECT: change what was given, or the settings of the machine.
        RETRY: try again, now or after a while; nothing was lost.
        RESUME: resume what was begun: a rotation or a revocation.
        ROTATE: change the key that is due, then try again.
        FREE_SPACE: make room, then try again.
        ASK_OPERATOR: ask whoever runs the server.
        STOP: do not go on with this server: keep the profile as evidence, and run an audit.
        UPDATE: update the client: client and server are of different releases.
        REPORT: report it: a bug, by all appearances.
    """

    LOG_IN = "log_in"
    TRUST_DEVICE = "trust_device"
    STEP_UP = "step_up"
    UNLOCK = "unlock"
    ENTER_AGAIN = "enter_again"
    CHOOSE_ANOTHER = "choose_another"
    LOOK_AGAIN = "look_again"
    CORRECT = "correct"
    RETRY = "retry"
    RESUME = "resume"
    ROTATE = "rotate"
    FREE_SPACE = "free_space"
    ASK_OPERATOR = "ask_operator"
    STOP = "stop"
    UPDATE = "update"
    REPORT = "report"


class SolekeyError(Exception):
    """Base of everything that the client refuses."""

    code: ClassVar[str] = "solekey_error"
    action: ClassVar[Action] = Action.REPORT
    ADVICE: ClassVar[str] = "Try again; if it fails the same way, report it with the error's code."
    about: Mapping[str, object] = MappingProxyType({})
    """What it concerns, for scripts, such as the item that does not open."""

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return self.ADVICE


class UnsupportedFormatError(SolekeyError):
    """This release does not know the format version, suite or kind of secret."""

    code = "unsupported_format"
    action = Action.UPDATE
    ADVICE = "Update the client: this was written by a newer release."


class NotTextError(SolekeyError):
    """The input is not UTF-8 text."""

    code = "text_undecodable"
    action = Action.CORRECT
    ADVICE = "Save it as UTF-8 (UTF-16 with a byte order mark works, too), or set the terminal to UTF-8."


class ClosedStreamError(SolekeyError):
    """The program that started the command closed standard input or output."""

    code = "stream_closed"
    action = Action.CORRECT
    ADVICE = "Open standard input and output; /dev/null will do."
