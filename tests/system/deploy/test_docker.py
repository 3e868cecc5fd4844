"""The installation of docker-compose.yml on a real Docker engine, by the commands of the operators' pages.

All tests share one installation, and each leaves it ready. tests/support/docker/run.sh brings an engine.
"""

import json
import os
import re
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.deployment.compose import SERVICES, read_env_file
from tests.support.deployment.operators_pages import read_answers, read_commands
from tests.support.engines.ports import find_free_ports
from tests.support.engines.waiting import wait_until
from tests.support.people.command_user import CommandUser
from tests.support.people.life import NOTE, live
from tests.system.deploy.installation import COMPOSE, MTLS, Installation, make_copy

pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.timeout(600),  # counts the build of the image for the first test
]

ORIGIN_PORT = 8443
UP = f"{COMPOSE} up --detach --wait --wait-timeout 300"
LOOK_S = 0.5
STALE_CHECKS = 4
"""One more failed health check than makes a container unhealthy."""
KEPT_CHECKS = 5
"""The health checks that Docker remembers of a container."""


@pytest.fixture(scope="module")
def installation(docker_compose: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Started as deploy/README.md says, word for word but for the port."""
    (port,) = find_free_ports(1)
    with make_copy(tmp_path_factory.mktemp("docker"), port) as installation:
        for command in read_commands("Start"):
            installation.run(place(command, port))
        yield installation
        print(installation.run(f"{COMPOSE} logs --tail 20"))


def place(command: str, port: int) -> str:
    """Put the port of this installation into a command of the README: its own may be taken."""
    return command.replace(f":{ORIGIN_PORT}", f":{port}")


@pytest.fixture(scope="module")
def eve(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> CommandUser:
    """Somebody with a note in the vault, whose heads an auditor is given."""
    eve = CommandUser("eve", tmp_path_factory.mktemp("eve"), installation.proxy)
    eve.sign_up("laptop")
    eve.do("laptop", "put", "--name", "note", "--text", NOTE)
    eve.vouch()
    return eve


def check(installation: Installation, eve: CommandUser) -> None:
    """Everybody is served, and what was acknowledged is there."""
    installation.wait_until_ready()
    assert eve.do("laptop", "get", "note")["text"] == NOTE
    eve.do("laptop", "put", "--name", "another", "--text", NOTE)


def test_the_session_of_the_readme(installation: Installation) -> None:
    script = "\n".join(place(command, installation.port) for command in read_commands("Now try it"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # its python3 is new enough
    printed = installation.run(script, PATH=path)
    assert re.search(".*".join(read_answers("Now try it")), printed, re.DOTALL), printed


def test_the_image_holds_the_servers_and_never_the_client(installation: Installation) -> None:
    program = (
        "import importlib.util, json, os, sysconfig;"
        "from pathlib import Path;"
        "names = os.listdir(sysconfig.get_path('purelib'));"
        "found = lambda name: importlib.util.find_spec(name) is not None;"
        "client = found('solekey') or found('pip');"
        "print(json.dumps({'names': names, 'uid': os.getuid(), 'client': client}))"
    )
    told = json.loads(installation.run(f'{COMPOSE} exec -T auth python -c "{program}"'))
    ours = (*SERVICES, "protocol", "eventlog", "service")
    assert {f"solekey_{name}" for name in ours} <= set(told["names"])
    assert not {"solekey_standalone", "httpx", "rich"} & set(told["names"])
    assert (told["uid"], told["client"]) == (10001, False)


def test_the_image_is_built_once(installation: Installation) -> None:
    """All services run the same image, and building again leaves none without a name."""
    images = {image for name in SERVICES for image in installation.inspect(name, "{{.Image}}")}
    assert len(images) == 1
    dangling = "docker images --filter dangling=true --quiet"
    before = installation.run(dangling)
    installation.run(f"{COMPOSE} build")
    assert installation.run(dangling) == before


def test_a_user_s_life_from_sign_up_to_a_lost_phone(installation: Installation, tmp_path: Path) -> None:
    bob = CommandUser("bob", tmp_path, installation.proxy)
    bob.sign_up("laptop")
    live(bob, tmp_path)


def test_services_at_new_addresses_are_found(installation: Installation, eve: CommandUser) -> None:
    """Made anew under a running proxy, which keeps no address: they get each other's."""
    proxy = installation.inspect("proxy", "{{.Id}}")
    installation.run(f"{UP} --force-recreate --no-deps auth devices vault rotation")
    assert installation.inspect("proxy", "{{.Id}}") == proxy
    check(installation, eve)


def test_a_second_vault_takes_part_and_may_leave(installation: Installation, eve: CommandUser) -> None:
    installation.run(f"{UP} --no-recreate --scale vault=2 vault")
    first = installation.run(f"docker ps --quiet --filter name={installation.project}-vault-1").strip()
    installation.run(f"docker stop {first}")
    check(installation, eve)  # by the second one alone
    installation.run(f"docker start {first}")
    installation.run(f"{UP} --no-recreate --scale vault=1 vault")
    check(installation, eve)


def test_services_database_and_proxy_restarted(installation: Installation, eve: CommandUser) -> None:
    installation.run(f"{COMPOSE} restart auth devices vault rotation postgres proxy")
    check(installation, eve)


@pytest.mark.parametrize("server", ["postgres", "kafka"])
def test_a_server_that_vanishes_is_found_at_its_new_address(
    installation: Installation, eve: CommandUser, server: str
) -> None:
    """Its connections end without a word, as when a host dies: nobody waits at the old address."""
    installation.move(server)
    check(installation, eve)


def test_every_container_killed_at_once(installation: Installation, eve: CommandUser) -> None:
    before = installation.inspect("vault", "{{.RestartCount}}")
    installation.kill_everything()
    check(installation, eve)
    assert installation.inspect("vault", "{{.RestartCount}}") > before


def test_up_works_the_first_time_after_a_broken_service_is_mended(
    installation: Installation, eve: CommandUser
) -> None:
    """Auth with a bad setting does not start, and leaves the others without news of it for long."""
    installation.run(f"{COMPOSE} up --detach --no-deps auth", AUTH_OPERATOR_KEY="too short")

    checks: set[str] = set()

    def vault_is_stale() -> bool:
        time.sleep(LOOK_S)
        if installation.find_health()["vault"] == 503:
            checks.update(installation.find_check_times("vault"))
        return len(checks) >= STALE_CHECKS + KEPT_CHECKS

    wait_until(vault_is_stale)
    installation.run(UP)
    check(installation, eve)


def test_signing_keys_turn_and_are_withdrawn(installation: Installation, eve: CommandUser) -> None:
    listing, rotating, withdrawing = read_commands("Signing keys")
    (key,) = re.findall(r"([0-9a-f]{32})  .*signs", installation.run(at_a_terminal(listing)))
    installation.run(at_a_terminal(rotating))
    installation.run(at_a_terminal(withdrawing.replace("KEY_ID", key)))
    assert f"{key}  withdrawn" in installation.run(at_a_terminal(listing))
    check(installation, eve)


def test_passwords_and_the_operator_key_are_changed(installation: Installation, eve: CommandUser) -> None:
    """Both sections' commands in one. Eve's authenticator is still hers: she logs in in a test below."""
    environment = installation.tree / "deploy" / ".env"
    before = read_env_file(environment)
    (command,) = read_commands("Passwords of databases and bus")
    changing_key, showing = read_commands("The operator key")
    assert changing_key == "deploy/rotate.sh AUTH_OPERATOR_KEY"
    told = installation.run(f"{command} {changing_key.removeprefix('deploy/rotate.sh ')}")
    assert re.search(r"moved to the operator key in force: [1-9]\d* authenticators", told)
    after = read_env_file(environment)
    assert after.keys() == before.keys()
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"VAULT_DATABASE_PASSWORD", "VAULT_BUS_PASSWORD", "AUTH_OPERATOR_KEY"}
    assert environment.stat().st_mode & 0o077 == 0
    check(installation, eve)
    shown = installation.run(at_a_terminal(showing))
    assert "has replaced 1" in shown
    assert "0 authenticators derive from a former one" in shown


def test_parked_accounts_are_listed_and_an_inbox_is_rebuilt(
    installation: Installation, eve: CommandUser
) -> None:
    listing, retrying = read_commands("Parked accounts")
    stopping, trying, rebuilding, starting = read_commands("Rebuild from the log")
    assert "0 accounts are parked" in installation.run(at_a_terminal(listing))
    assert "0 of 0 accounts are free again" in installation.run(at_a_terminal(retrying))
    installation.run(stopping)
    assert "nothing was changed" in installation.run(at_a_terminal(trying))
    rebuilt = installation.run(at_a_terminal(rebuilding))
    assert "rebuilt the inbox from" in rebuilt
    assert "items: as the events say" in rebuilt
    installation.run(starting)
    check(installation, eve)


def test_log_and_databases_are_compared_and_nothing_lacks(
    installation: Installation, eve: CommandUser
) -> None:
    (comparing,) = read_commands("Compare them")
    stopping, trying, republishing, starting = read_commands("Give the log back what it lost")
    assert "hold the same" in installation.run(at_a_terminal(comparing))
    installation.run(stopping)
    assert "lacks nothing" in installation.run(at_a_terminal(trying))
    assert "lacks nothing" in installation.run(at_a_terminal(republishing))
    installation.run(starting)
    check(installation, eve)


def test_an_account_s_own_limits_are_set(installation: Installation, eve: CommandUser) -> None:
    (command,) = read_commands("What one account may store")
    command = re.sub(r"acc_\w+", eve.account, command)
    assert "of 1099511627776" in installation.run(at_a_terminal(command))


def test_an_operator_ends_the_sessions_of_an_account(installation: Installation, eve: CommandUser) -> None:
    commands = read_commands("Look at accounts, and end their sessions")
    listing, showing, ending = (command.replace(" ada", " eve") for command in commands)
    assert re.search(rf"{eve.account} .* eve\b", installation.run(at_a_terminal(listing)))
    assert "session     ses_" in installation.run(at_a_terminal(showing))
    assert "ended " in installation.run(at_a_terminal(f"{ending} --yes"))
    assert "session     ses_" not in installation.run(at_a_terminal(showing))
    assert eve.log_in("laptop").exit_code == 0


def at_a_terminal(command: str) -> str:
    """Run a command as a person does: ``docker compose exec`` asks for a terminal."""
    return f"script --quiet --return --command {shlex.quote(command)} /dev/null"


def test_tls_with_certificates_on_both_sides(installation: Installation, eve: CommandUser) -> None:
    """deploy/mtls.yml, by the page's command; then nobody is served without a certificate."""
    (command,) = read_commands("TLS")
    assert command.startswith(MTLS)
    installation.run(command)
    check(installation, eve)
    inside = f"{MTLS} exec -T proxy curl --silent --fail --output /dev/null"
    served = (
        "--cacert /run/secrets/ca_cert --cert /run/secrets/proxy_client https://vault:8080/v1/vault/health"
    )
    assert installation.try_(f"{inside} {served}").returncode == 0
    for refused in (
        "http://vault:8080/v1/vault/health",
        "--cacert /run/secrets/ca_cert https://vault:8080/v1/vault/health",
    ):
        assert installation.try_(f"{inside} {refused}").returncode != 0


@pytest.fixture(scope="module")
def overrides() -> dict[str, str]:
    """What gives containers their secrets as files, and opens the log to auditors on this machine."""
    (port,) = find_free_ports(1)
    _, exporting, _ = read_commands("Secrets as files")
    files = exporting.removeprefix("export COMPOSE_FILE=")
    assert files == "docker-compose.yml:deploy/secret-files.yml"
    return {
        "COMPOSE_FILE": f"{files}:deploy/auditor.yml",
        "AUDITORS_ADDRESS": f"localhost:{port}",
        "AUDITORS_PORT": str(port),
    }


def test_certificates_are_renewed_and_secrets_become_files(
    installation: Installation, overrides: dict[str, str]
) -> None:
    """Whoever has the authority of before alone is not served any more. Opens the log to auditors, too."""
    before = installation.proxy.ca_file.read_bytes()
    environ = read_env_file(installation.tree / "deploy" / ".env")
    secrets = {value for name, value in environ.items() if name.endswith(("_PASSWORD", "_KEY"))}
    shown = f"docker inspect $({COMPOSE} ps --all --quiet)"
    exposed = installation.run(shown)
    assert all(secret in exposed for secret in secrets)  # control
    renewing, starting, preparing = read_commands("Certificates of this installation")
    writing, _, starting_with_files = read_commands("Secrets as files")
    assert f"{starting_with_files} --force-recreate" == starting
    for command in (preparing, renewing, writing, starting):
        installation.run(place(command, installation.port), **overrides)
    assert installation.proxy.ca_file.read_bytes() != before
    installation.wait_until_ready()
    hidden = installation.run(shown, **overrides)
    assert not any(secret in hidden for secret in secrets)


def test_an_auditor_audits_from_outside(
    installation: Installation, eve: CommandUser, overrides: dict[str, str]
) -> None:
    """By the page's commands. The broker has been open to auditors since it started anew, in the test before.

    That no service's password is good there: test_broker.py.
    """
    address, opening = read_commands("Open the log to auditors")
    before = installation.inspect("kafka", "{{.Id}}")
    commands = [address, opening, *read_commands("Audit from outside")]
    environ = read_env_file(installation.tree / "deploy" / ".env")
    heads = installation.tree / "build" / "ada.heads"
    heads.parent.mkdir(exist_ok=True)
    heads.write_bytes((eve.folder / "heads.json").read_bytes())
    script = "\n".join(commands).replace("localhost:9095", overrides["AUDITORS_ADDRESS"])
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = installation.try_(script.replace("…", environ["AUDITOR_BUS_PASSWORD"]), PATH=path, **overrides)
    assert installation.inspect("kafka", "{{.Id}}") == before
    verdict = re.search(r"^verdict: (.*)$", done.stdout, re.MULTILINE)
    assert verdict, done.stdout + done.stderr
    unvouched = re.search(r"accounts that nobody vouches for: (\d+) of (\d+)", done.stdout)
    if unvouched is None:  # where this test runs without those that sign others up
        assert verdict[1] == "clean"
    else:  # a log without a finding, in which eve's account alone is pinned
        assert (verdict[1], int(unvouched[1])) == ("cannot tell", int(unvouched[2]) - 1)


def make_killer(folder: Path, command: str) -> Path:
    """Make a docker that kills the script which calls it, as soon as it has done one of its commands."""
    folder.mkdir()
    docker = folder / "docker"
    real = shutil.which("docker")
    docker.write_text(f'#!/bin/bash\n{real} "$@" || exit\n[[ "$1 $2" != "{command}" ]] || kill -KILL $PPID\n')
    docker.chmod(0o755)
    return docker


def test_an_installation_is_backed_up_and_restored(
    installation: Installation, overrides: dict[str, str], tmp_path: Path
) -> None:
    """Last, for everybody who has seen more than the backup is told that the server went back.

    Its containers have their secrets as files.
    """
    cyd = CommandUser("cyd", tmp_path, installation.proxy)
    cyd.sign_up("laptop")
    cyd.do("laptop", "put", "--name", "note", "--text", NOTE)
    taking, verifying = read_commands("Back up an installation")
    (restoring,) = read_commands("Restore an installation")
    installation.run(taking, **overrides)
    assert "whole; as of" in installation.run(verifying, **overrides)
    cyd.do("laptop", "put", "--name", "later", "--text", "lost")
    ask = f"{COMPOSE} exec -T postgres psql --username postgres --dbname solekey --tuples-only --command"
    barring = "INSERT INTO auth.barred_devices VALUES ('acc_barred', 'dev_barred')"
    installation.run(f'{ask} "{barring}"')  # as by an earlier restoration
    assert installation.try_(restoring, **overrides).returncode == 1  # nobody is there to be asked
    assert cyd.do("laptop", "get", "later")["text"] == "lost"

    # Killed where the log of before is removed and no other one is there, then run again.
    docker = make_killer(tmp_path / "bin", "volume rm")
    killed = installation.try_(
        f"{restoring} --yes", **overrides, PATH=f"{docker.parent}:{os.environ['PATH']}"
    )
    assert "sessions: everybody logs in again" in killed.stdout
    assert killed.returncode in {-signal.SIGKILL, 128 + signal.SIGKILL}
    gone_on = installation.try_(f"{restoring} --yes", **overrides)
    assert gone_on.returncode == 0, gone_on.stderr
    assert "Going on with a restoration that was interrupted" in gone_on.stderr
    assert "dev_barred" in installation.run(f'{ask} "TABLE auth.barred_devices"')
    assert list((installation.tree / "build").glob("backup.log-until-*.tar"))
    assert not list((installation.tree / "build").glob("backup.[sw]*"))
    refused = cyd.log_in("laptop")
    assert "declares that its operator restored it" in refused.errors
    cyd.log_in("tablet")
    cyd.do("tablet", "devices", "trust")
    assert cyd.do("tablet", "get", "note")["text"] == NOTE
    cyd.do("tablet", "put", "--name", "later", "--text", "again")
