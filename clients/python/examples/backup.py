"""An incremental backup: stores what is new or changed in a folder, and restores it all elsewhere.

    python backup.py PROFILE save FOLDER
    python backup.py PROFILE restore FOLDER

The user key comes from where the profile keeps it (`solekey user-key store`).
"""

import os
import sys
from getpass import getpass
from pathlib import Path

import solekey

TAG = "backup"


def save(account: solekey.Account, folder: Path) -> list[str]:
    """Store the files that differ from the backup, remove what is gone; returns the names of both."""
    kept = {info.name: info for info in account.items.list() if TAG in info.tags}
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    changed = []
    for name, path in sorted(files.items()):
        state = {"mtime_ns": str(path.stat().st_mtime_ns)}
        if name not in kept or kept[name].size != path.stat().st_size or kept[name].attributes != state:
            account.items.put_file(path, name, tags=[TAG], attributes=state)
            changed.append(name)
    for name in sorted(kept.keys() - files.keys()):
        account.items.remove(kept[name].id)
        changed.append(name)
    return changed


def restore(account: solekey.Account, folder: Path) -> list[str]:
    """Write every file of the backup below a folder; returns their names."""
    restored = []
    for info in account.items.list():
        target = (folder / info.name).resolve()
        if TAG in info.tags and target.is_relative_to(folder.resolve()):  # a name may come from elsewhere
            target.parent.mkdir(parents=True, exist_ok=True)
            account.items.get_file(info.id, target)
            modified_ns = int(info.attributes["mtime_ns"])
            os.utime(target, ns=(modified_ns, modified_ns))
            restored.append(info.name)
    return restored


if __name__ == "__main__":
    profile, task, folder = sys.argv[1:]
    work = {"save": save, "restore": restore}[task]
    given = os.environ.get("SOLEKEY_PASSPHRASE")
    try:
        account = solekey.open(profile, ask=lambda asked: given or getpass(asked))
        with account, account.keys.unlock():
            print(f"{task}: {len(work(account, Path(folder)))} files")
    except solekey.SolekeyError as error:
        sys.exit(f"{error} [{error.code}]\n{error.diagnostics()}")
