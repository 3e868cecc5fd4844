"""The commands ``backup``, ``verify-backup`` and ``restore`` of an embedded platform."""

import shutil
import sqlite3
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from solekey_protocol.services import Service
from solekey_service.command_line import parse_command_line, run_command_on
from solekey_service.operator_command import report, tell
from solekey_standalone.backup import Backup, BackupError, restore_backup, take_backup, verify_backup
from solekey_standalone.certificates import Certificates
from solekey_standalone.folder import DataFolder
from solekey_standalone.platform import SERVICES, make_configs
from solekey_standalone.withdrawn import keep_withdrawn

COMMANDS: Final = ("backup", "verify-backup", "restore")
EXIT_REFUSED: Final = 1
_UNUSED_ORIGIN: Final = "https://localhost"  # an operator's commands answer no requests


def run_backup_command(folder: DataFolder, listen: str, command: Sequence[str]) -> int:
    """Run one of COMMANDS on a data folder; return the exit code."""
    arguments = _parse(command)
    try:
        if arguments.command == "backup":
            _tell("made", take_backup(folder, arguments.path))
        elif arguments.command == "verify-backup":
            _tell("whole", verify_backup(arguments.path))
        else:
            return _restore(folder, listen, arguments)
    except (BackupError, sqlite3.Error, OSError) as error:
        report(f"{arguments.command}: {error}")
        return EXIT_REFUSED
    return 0


def _parse(command: Sequence[str]) -> Namespace:
    parser = ArgumentParser(prog="python -m solekey_standalone --data-dir DIR")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    backup = commands.add_parser("backup", help="copy the platform, which may be running")
    backup.add_argument("path", type=Path, metavar="TARGET", help="a folder that is not there yet")
    verify = commands.add_parser("verify-backup", help="verify that a backup is whole and sound")
    verify.add_argument("path", type=Path, metavar="BACKUP")
    restore = commands.add_parser("restore", help="verify a backup, and make the data folder of it")
    restore.add_argument("path", type=Path, metavar="BACKUP")
    restore.add_argument(
        "--newer",
        type=Path,
        metavar="DIR",
        help="the data folder of before, if its bus.db is left: what it knows to be revoked stays revoked",
    )
    return parser.parse_args(command)


def _tell(what: str, backup: Backup) -> None:
    size = sum(each for each, _ in backup.files.values())
    tell(f"{backup.path}: {what}; as of {backup.as_of}, {len(backup.files)} files, {size} bytes")


def _keep_withdrawn(before: Path, restored: Path) -> None:
    try:
        if before.is_file():
            keep_withdrawn(before, restored)
    except sqlite3.Error as error:  # it may be why there is a restoration
        report(f"{before}: {error}: what an earlier restoration withdrew is as in the backup")


def _restore(folder: DataFolder, listen: str, arguments: Namespace) -> int:
    newer = None if arguments.newer is None else arguments.newer.resolve() / "bus.db"
    if newer is not None and not newer.is_file():
        raise BackupError(f"{newer} is missing: --newer names the data folder of before")
    if folder.path.exists() and any(folder.path.iterdir()):
        raise BackupError(
            f"{folder.path} is not empty: move it away, and keep it: its log may know what the backup lacks"
        )
    draft = DataFolder(folder.path.with_name(f"{folder.path.name}.restoring"))
    shutil.rmtree(draft.path, ignore_errors=True)  # of a restoration that was interrupted
    backup = restore_backup(arguments.path, draft)
    log = [] if newer is None else ["--log", f"embedded://{newer}"]
    steps = [(service, ["declare-restored", "--as-of", backup.as_of]) for service in Service]
    steps.append((Service.AUTH, ["secure-restored", "--yes", *log]))
    configs = make_configs(draft, Certificates.in_folder(draft.tls), listen=listen, origin=_UNUSED_ORIGIN)
    for service, command in steps:
        definition = next(each for each in SERVICES if each.entry.service is service)
        config = configs[SERVICES.index(definition)]
        if code := run_command_on(definition, config, parse_command_line(definition, command)):
            report(f"{service} {command[0]} failed: nothing was restored")
            return code
    if arguments.newer is not None:
        _keep_withdrawn(arguments.newer.resolve() / "auth.db", draft.path / "auth.db")
    if folder.path.exists():
        folder.path.rmdir()
    draft.path.rename(folder.path)
    _tell("restored", backup)
    if newer is None:
        report("no --newer: what was revoked or used up since the backup was made is as it was then")
    sys.stdout.flush()
    return 0
