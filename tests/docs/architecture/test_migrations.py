"""A migration only adds, so that the release before works on the tables of the one after it (ADR 0138)."""

import ast
from pathlib import Path

import pytest

from tests.support.repository import ROOT

VERSIONS = sorted(ROOT.glob("services/*/*/migrations/versions/[0-9]*.py"))
ADDING = {"create_table", "create_index", "add_column", "execute"}
"""What a migration may call; ``execute`` only to fill what it has added (no word of REMOVING in it)."""
REMOVING = ("DROP ", "RENAME ", "ALTER COLUMN", "SET NOT NULL", "DELETE ", "TRUNCATE ")


def find_faults(source: str) -> list[str]:
    """List what a migration does beside adding: other operations, and columns that nobody else fills."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if not isinstance(node.func.value, ast.Name) or node.func.value.id != "op":
            continue
        said, name = ast.unparse(node), node.func.attr
        if name not in ADDING:
            faults.append(f"op.{name}")
        if name == "add_column" and "nullable=False" in said and "server_default=" not in said:
            faults.append("op.add_column: NOT NULL without a server default")
        if name == "create_index" and "unique=True" in said:
            faults.append("op.create_index: unique, on a table that has rows")
        if name == "execute" and any(word in said.upper() for word in REMOVING):
            faults.append("op.execute: removes")
    return faults


def is_first(path: Path) -> bool:
    return path.name.startswith("0001_")


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: f"{path.parts[-4]}-{path.stem}")
def test_a_migration_only_adds(path: Path) -> None:
    source = path.read_text()
    assert [fault for fault in find_faults(source) if not (is_first(path) and "unique" in fault)] == []
    assert "def downgrade" not in source, "the way back is the older release on the newer tables"


@pytest.mark.parametrize(
    "change",
    [
        'op.drop_column("items", "size")',
        'op.drop_table("items")',
        'op.alter_column("items", "size", new_column_name="bytes")',
        'op.rename_table("items", "things")',
        'op.add_column("items", sa.Column("size", sa.Integer, nullable=False))',
        'op.create_index("items_once", "items", ["size"], unique=True)',
        'op.execute("ALTER TABLE items DROP COLUMN size")',
        'op.create_unique_constraint("once", "items", ["size"])',
    ],
)
def test_control_what_takes_away_is_found(change: str) -> None:
    assert find_faults(f"def upgrade():\n    {change}\n")


def test_control_what_adds_is_not() -> None:
    assert not find_faults('op.add_column("items", sa.Column("size", sa.Integer))')
    assert VERSIONS
