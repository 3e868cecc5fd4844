"""The index of a laptop as a file, and the account that is opened on it anew."""

import sqlite3
from contextlib import closing, contextmanager

from solekey.vault.index.item_index import INDEX_FILE

NAME, TAG = "the will of 1987", "notary-in-Lisbon"


def index_path(home, name="laptop"):
    return home.folder / name / INDEX_FILE


def end(home, name="laptop"):
    """End the program: its blocks are closed, and what SQLite keeps beside the file is merged."""
    home.stack.close()


def reopen(home, name="laptop"):
    return home.stack.enter_context(home.reopen(name).unlock(home.key()))


def read_names(vault):
    return {info.name: vault.get(info.id).content for info in vault.list()}


@contextmanager
def open_database(path):
    with closing(sqlite3.connect(path)) as database, database:
        yield database
