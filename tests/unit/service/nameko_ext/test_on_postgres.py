"""psycopg under eventlet: a statement that waits must not hold up the process."""

import concurrent.futures
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.support.actors import Actor
from tests.support.demo_process import run_demo
from tests.unit.service.nameko_ext.test_life import wait_for

PEOPLE = [Actor(f"person {number}", "desk") for number in range(8)]

pytestmark = pytest.mark.postgres


def test_requests_go_on_while_others_wait_for_the_database(
    tmp_path: Path, new_postgres_url: Callable[[], str]
) -> None:
    url = new_postgres_url()
    with (
        run_demo(tmp_path, auth=url, vault=new_postgres_url()) as demo,
        psycopg.connect(url.replace("postgresql+psycopg:", "postgresql:")) as other,
        concurrent.futures.ThreadPoolExecutor(len(PEOPLE)) as pool,
    ):
        other.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        writes = [
            pool.submit(httpx.post, f"{demo.url}/v1/auth/failures/{actor.account}", timeout=60)
            for actor in PEOPLE
        ]
        done, _ = concurrent.futures.wait(writes, timeout=1)
        assert not done  # positive control: they do wait
        assert httpx.get(f"{demo.url}/v1/vault/health", timeout=10).status_code == 200
        other.rollback()
        assert [write.result(60).status_code for write in writes] == [201] * len(PEOPLE)
        for actor in PEOPLE:
            wait_for(demo, f"/v1/vault/position/{actor.account}", auth=1)
        assert demo.stop() == 0
