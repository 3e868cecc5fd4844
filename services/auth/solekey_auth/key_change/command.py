"""The operator's commands about the operator key, beside a running service. They show no key."""

from argparse import Namespace
from typing import Final

from solekey_auth.key_change.moving import KeyDesk
from solekey_service.operator_command import OperatorCommand, tell


def _show(desk: KeyDesk, _: Namespace) -> None:
    tell(f"the operator key in force has replaced {desk.number}")
    for name, count in desk.count_behind().items():
        tell(f"{count} {name} derive from a former one")


def _move(desk: KeyDesk, _: Namespace) -> None:
    moved = ", ".join(f"{count} {name}" for name, count in desk.move().items())
    tell(f"moved to the operator key in force: {moved}")


KEY_COMMANDS: Final = (
    OperatorCommand(
        "operator-key", "say how many operator keys were replaced, and how much derives from those", _show
    ),
    OperatorCommand(
        "move-secrets",
        "move what derives from a former operator key to the one in force; may be run again",
        _move,
    ),
)
