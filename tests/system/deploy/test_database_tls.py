"""deploy/database.yml: a database elsewhere is reached over TLS, at a server that shows who it is.

PostgreSQL runs in a container, with a certificate for "localhost", prepared by deploy/postgres/init.sh, which
finds the passwords in files, as with deploy/secret-files.yml.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url

from solekey_eventlog.engine import open_engine
from solekey_eventlog.secret import Secret
from solekey_service.authority import encode_certificate, encode_key, make_authority
from tests.support.deployment.compose import DEPLOY, SERVICES, load_override, make_installation
from tests.support.engines.container import Container
from tests.support.engines.engine import EngineUnavailableError, give_up
from tests.support.engines.ports import find_free_ports
from tests.support.engines.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.postgres, pytest.mark.slow]

HBA = "local all all trust\nhostssl all all all scram-sha-256\n"
START = """bash -c '
printf %s "$INIT" >/docker-entrypoint-initdb.d/solekey.sh
umask 077
cd /tmp
printf %s "$CHAIN" >chain && printf %s "$KEY" >key && printf %s "$HBA" >hba
for name in $(compgen -v | grep _PASSWORD$); do
    printf %s "${!name}" >$name && export ${name}_FILE=/tmp/$name && unset $name
done
chown postgres *
exec bash /usr/local/bin/docker-entrypoint.sh postgres -c fsync=off -c ssl=on -c ssl_cert_file=/tmp/chain \
-c ssl_key_file=/tmp/key -c hba_file=/tmp/hba'"""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A database server, and the environment of an installation that uses it."""

    environ: dict[str, str]
    ca_file: Path
    other_ca_file: Path

    def find_url(self, service: str) -> URL:
        """Take the address from the override, as Compose does; only the path of the authority is mapped."""
        environment = load_override("database.yml", self.environ)["services"][service]["environment"]
        url = make_url(environment["SOLEKEY_DATABASE_URL"])
        assert url.query["sslrootcert"] == "/run/secrets/database_ca"
        return url.update_query_dict({"sslrootcert": str(self.ca_file)})


def ask(url: URL, question: str) -> tuple[object, ...]:
    """Ask the database as a service does."""
    engine = open_engine(Secret(url.render_as_string(hide_password=False)))
    try:
        with engine.connect() as db:
            return tuple(db.execute(text(question)).one())
    finally:
        engine.dispose()


@pytest.fixture(scope="module")
def elsewhere(docker_compose: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    folder = tmp_path_factory.mktemp("elsewhere")
    (port,) = find_free_ports(1)
    ca_file, other_ca_file = folder / "ca.pem", folder / "other.pem"
    environ = make_installation(folder / "installation")
    environ |= {"DATABASE_HOST": "localhost", "DATABASE_PORT": str(port), "DATABASE_CA": str(ca_file)}
    now = datetime.now(UTC)
    authority = make_authority("Authority of the database", now)
    ca_file.write_bytes(encode_certificate(authority.certificate))
    other_ca_file.write_bytes(encode_certificate(make_authority("Another", now).certificate))
    key, certificate = authority.issue("database", ["localhost"], now, timedelta(days=1))
    given = {
        **{name: value for name, value in environ.items() if name.endswith("_DATABASE_PASSWORD")},
        "POSTGRES_PASSWORD": environ["POSTGRES_PASSWORD"],
        "POSTGRES_DB": "solekey",
        "INIT": (DEPLOY / "postgres" / "init.sh").read_text(),
        "CHAIN": encode_certificate(certificate).decode(),
        "KEY": encode_key(key).decode(),
        "HBA": HBA,
    }
    server = Elsewhere(environ, ca_file, other_ca_file)
    try:
        container = Container("postgres:17", (5432, port), given, START)
        container.start()
    except EngineUnavailableError as error:
        give_up(error)
    try:
        wait_until(lambda: answers(server.find_url("auth")))
        yield server
    finally:
        container.close()


def answers(url: URL) -> bool:
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        psycopg.connect(plain).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_speaks_tls_to_its_schema(elsewhere: Elsewhere, service: str) -> None:
    url = elsewhere.find_url(service)
    question = "SELECT version, current_user, current_schema() FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    assert ask(url, question) == ("TLSv1.3", f"solekey_{service}", service)


def refusal(url: URL) -> str:
    with pytest.raises(Exception, match=r"\w") as raised:
        ask(url, "SELECT 1")
    cause: BaseException | None = raised.value
    told = []
    while cause is not None:
        told.append(str(cause))
        cause = cause.__cause__
    return "\n".join(told)


def test_a_server_of_another_authority_is_refused(elsewhere: Elsewhere) -> None:
    """It gets no password: TLS comes first."""
    url = elsewhere.find_url("auth").update_query_dict({"sslrootcert": str(elsewhere.other_ca_file)})
    assert "certificate verify failed" in refusal(url)


def test_a_server_of_another_name_is_refused(elsewhere: Elsewhere) -> None:
    url = elsewhere.find_url("auth").set(host="127.0.0.1")
    assert 'does not match host name "127.0.0.1"' in refusal(url)


def test_this_server_takes_nobody_without_tls(elsewhere: Elsewhere) -> None:
    """The control: what the tests above have spoken was TLS, and nothing fell back."""
    url = elsewhere.find_url("auth").update_query_dict({"sslmode": "disable"})
    assert "no encryption" in refusal(url)
