"""Writes that survive the process, but not the machine: what a test writes lives as long as the test."""

import os
import sqlite3
from typing import Any

import pytest
from sqlalchemy import Engine, event

from solekey.audit.archive import archive


def write_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no write of this process wait for the disk; a test that is about ``fsync`` puts its own there."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def sign_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no archive of an auditor wait for the disk."""
    write_without_waiting(monkeypatch)
    monkeypatch.setattr(archive, "SYNCHRONOUS", "OFF")


def commit_without_waiting(engine: Engine) -> None:
    """Have no commit to an SQLite database wait for the disk, on connections that are opened from now on."""

    def prepare(connection: sqlite3.Connection, _: Any) -> None:
        connection.execute("PRAGMA synchronous = OFF").close()

    event.listen(engine, "connect", prepare)
    engine.dispose()  # what is connected already waits
