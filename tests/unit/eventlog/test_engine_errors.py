"""An SQL error says which statement failed, and nothing of the values in it."""

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, insert
from sqlalchemy.exc import IntegrityError

from solekey_eventlog.engine import open_engine
from solekey_eventlog.secret import Secret

CANARY = "canary-of-the-row"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request, tmp_path):
    if request.param == "postgres":
        return request.getfixturevalue("new_postgres_url")()
    return f"sqlite:///{tmp_path / 'service.db'}"


def fail(engine):
    metadata = MetaData()
    table = Table("rows", metadata, Column("id", Integer, primary_key=True), Column("value", String(40)))
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(table), {"id": 1, "value": CANARY})
    with pytest.raises(IntegrityError) as failed, engine.begin() as connection:
        connection.execute(insert(table), {"id": 1, "value": CANARY})
    engine.dispose()
    return str(failed.value)


def test_no_value_in_the_error(url):
    assert CANARY not in fail(open_engine(Secret(url)))


def test_the_search_would_find_one(tmp_path):
    assert CANARY in fail(create_engine(f"sqlite:///{tmp_path / 'other.db'}"))
