"""Large objects in a bucket, at a server of the S3 API, with the failures that clouds and networks have."""

import secrets

import pytest

from solekey_eventlog.errors import ConfigError, UnavailableError
from solekey_protocol.ids import compute_digest
from solekey_protocol.limits import MAX_PART_BYTES
from solekey_service.config import load_config
from solekey_service.refusals import NotFound
from solekey_vault.blobs import open_blob_store
from solekey_vault.config import VaultConfig
from solekey_vault.definition import DEFINITION
from solekey_vault.refusals import StorageFull
from tests.support.content import change_of, content_of
from tests.support.deployment.compose import load_compose, load_override, make_installation
from tests.support.s3.fault_proxy import run_fault_proxy
from tests.support.s3.server import S3Server, find_external_s3, run_s3
from tests.unit.vault.vault_rig import ITEM, LAPTOP, Vault

pytestmark = pytest.mark.slow
LARGE = secrets.token_bytes(300_000)
LARGEST = secrets.token_bytes(MAX_PART_BYTES)
TIMEOUT_S = 1.0


@pytest.fixture(scope="module")
def server():
    external = find_external_s3()
    if external is not None:
        yield external
        return
    with run_s3() as server:
        yield server


@pytest.fixture
def proxy(server):
    with run_fault_proxy(server.endpoint) as proxy:
        yield proxy


@pytest.fixture
def bucket(server, proxy, monkeypatch):
    for name, value in server.environment(proxy.endpoint).items():
        monkeypatch.setenv(name, value)
    return server.make_bucket()


@pytest.fixture
def store(bucket):
    return open_blob_store(f"s3://{bucket}/some/prefix", timeout_s=TIMEOUT_S)


def list_keys(server, bucket):
    return [each["Key"] for each in server.client().list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_bytes_come_back_whole_and_in_ranges(server, bucket, store):
    store.require_access()
    store.write({"a/1": LARGE, "a/2": b"x"})
    assert list_keys(server, bucket) == ["some/prefix/a/1", "some/prefix/a/2"]
    assert store.read(["a/1", "a/2", "a/3"]) == {"a/1": LARGE, "a/2": b"x"}
    assert store.read(["a/1"], start=100, end=200) == {"a/1": LARGE[100:200]}
    assert store.read(["a/1"], end=10**9) == {"a/1": LARGE}
    store.delete(["a/1", "a/3"])
    assert store.read(["a/1"]) == {}


def test_what_is_large_is_sent_in_several_parts(server, bucket, store, proxy):
    store.write({"a": LARGEST})
    assert proxy.count("PUT", "partNumber=1") == proxy.count("PUT", "partNumber=2") == 1
    assert server.client().head_object(Bucket=bucket, Key="some/prefix/a")["ETag"].strip('"').endswith("-2")
    assert store.read(["a"]) == {"a": LARGEST}


def test_a_part_that_fails_for_good_leaves_nothing(server, bucket, store, proxy):
    proxy.fault = lambda request: "partNumber=2" in request.path and request.answer(500)
    with pytest.raises(UnavailableError):
        store.write({"a": LARGEST})
    assert proxy.count("PUT", "partNumber=2") > 1  # it was tried again
    proxy.fault = lambda _: False
    assert list_keys(server, bucket) == []
    assert server.client().list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    store.write({"a": LARGEST})
    assert store.read(["a"]) == {"a": LARGEST}


@pytest.mark.parametrize(
    "fail",
    [
        lambda request: request.answer(500),
        lambda request: request.answer(503, b"<Error><Code>SlowDown</Code></Error>"),
        lambda request: request.hang_up(),
    ],
    ids=["internal error", "slow down", "connection lost"],
)
def test_a_request_that_fails_once_is_repeated(store, proxy, fail):
    failed = set()

    def fail_once(request):
        is_new = (request.command, request.path) not in failed
        failed.add((request.command, request.path))
        return is_new and fail(request)

    proxy.fault = fail_once
    store.write({"a": LARGE})
    assert store.read(["a"]) == {"a": LARGE}
    assert len(proxy.requests) == 4


def test_an_answer_that_is_cut_off_is_no_shorter_object(store, proxy):
    store.write({"a": LARGE})

    def cut(request):
        request.forward(cut=True)
        return True

    proxy.fault = lambda request: request.command == "GET" and cut(request)
    with pytest.raises(UnavailableError):
        store.read(["a"])


def test_a_bucket_that_does_not_answer_ends_in_time(store, proxy, caplog):
    proxy.fault = lambda request: request.stay_silent()
    for work in (
        lambda: store.write({"a": LARGE}),
        lambda: store.read(["a"]),
        lambda: store.delete(["a"]),
        store.require_access,
    ):
        with pytest.raises(UnavailableError):
            work()
    assert "the object store does not answer as it should" in caplog.text


def test_a_bucket_without_room_is_full(store, proxy):
    full = b"<Error><Code>InsufficientStorage</Code><Message>InsufficientStorage</Message></Error>"
    proxy.fault = lambda request: request.command == "PUT" and request.answer(507, full)
    with pytest.raises(StorageFull):
        store.write({"a": LARGE})


def test_a_bucket_that_is_not_there_is_told_at_start(bucket, rig):
    with pytest.raises(ConfigError, match="no such bucket"):
        rig.build(DEFINITION, object_store_url=f"s3://{bucket}-other")


def test_credentials_that_are_refused_are_told_at_start(bucket, rig, monkeypatch):
    if find_external_s3() is not None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another one")
        with pytest.raises(ConfigError, match="credentials"):
            rig.build(DEFINITION, object_store_url=f"s3://{bucket}")
        return
    with run_s3(INITIAL_NO_AUTH_ACTION_COUNT="0") as strict:  # moto that verifies who asks
        for name, value in S3Server(strict.endpoint).environment().items():
            monkeypatch.setenv(name, value)
        with pytest.raises(ConfigError, match="credentials"):
            rig.build(DEFINITION, object_store_url=f"s3://{bucket}")


def test_the_vault_keeps_uploads_that_fail_out_of_sight_and_collects_them(
    server, bucket, proxy, rig, tmp_path
):
    vault = Vault(rig, tmp_path, f"s3://{bucket}/vault")
    vault.change_devices((LAPTOP, LAPTOP.founded(), {}))
    vault.add_wrap()
    change = change_of(ITEM, 1, size=100_000)
    body = content_of(ITEM, 1, 100_000)
    proxy.fault = lambda request: request.command == "PUT" and request.answer(501)
    with pytest.raises(UnavailableError):
        vault.put(body)
    assert vault.has(body) == [False]
    proxy.fault = lambda _: False
    vault.commit(change)
    loose = secrets.token_bytes(100_000)
    vault.put(loose)
    assert vault.api.get_object(LAPTOP.request(method="GET"), compute_digest(body)).body == body
    assert len(list_keys(server, bucket)) == 3  # the marker, the item's, and what no commit names
    rig.clock.advance(25 * 3600)
    vault.api.purge_unclaimed()
    rig.clock.advance(2 * 3600)
    vault.api.purge_unclaimed()
    assert len(list_keys(server, bucket)) == 2
    rig.log_in(LAPTOP)
    with pytest.raises(NotFound):
        vault.api.get_object(LAPTOP.request(method="GET"), compute_digest(loose))
    assert vault.api.get_object(LAPTOP.request(method="GET"), compute_digest(body)).body == body


def test_the_vault_stores_where_the_override_for_compose_says(server, bucket, tmp_path, monkeypatch):
    """deploy/s3.yml; a variable that has no value there is passed on."""
    compose = load_compose(make_installation(tmp_path))
    given = {**server.environment(), "OBJECT_STORE_URL": f"s3://{bucket}/compose"}
    override = load_override("s3.yml", given)["services"]["vault"]["environment"]
    environment = {name: given[name] if value is None else value for name, value in override.items()}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    config = load_config(VaultConfig, {**compose["services"]["vault"]["environment"], **environment})
    store = open_blob_store(config.object_store_url)
    store.require_access()
    store.write({"a/1": LARGE})
    assert list_keys(server, bucket) == ["compose/a/1"]
