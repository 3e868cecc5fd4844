"""The official Kafka jars, resolved once by Maven into build/kafka/libs."""

import fcntl
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

from tests.support.engines.engine import EngineUnavailableError
from tests.support.repository import ROOT

_POM = Path(__file__).with_name("pom.xml")
_CACHE = ROOT / "build" / "kafka"
_RESOLVE_TIMEOUT_S = 300
_JAVA_MINIMUM = 17


def find_java() -> str:
    """Find a Java that can run Kafka 4. Raises EngineUnavailableError."""
    java = shutil.which("java")
    if java is None:
        raise EngineUnavailableError("no Kafka: no Java on the PATH (17 or later is needed)")
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(\d+)', answer.stderr)
    if version is None or int(version[1]) < _JAVA_MINIMUM:
        raise EngineUnavailableError(
            f"no Kafka: Java {_JAVA_MINIMUM} or later is needed, found: {answer.stderr[:80]}"
        )
    return java


def resolve_jars() -> Path:
    """Return the folder of jars, and fill it first where it is missing. Raises EngineUnavailableError."""
    libs = _CACHE / "libs"
    stamp = _CACHE / "libs.pom.sha256"
    wanted = hashlib.sha256(_POM.read_bytes()).hexdigest()
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:  # two test runs may want them at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.is_file() and stamp.read_text() == wanted and libs.is_dir()):
            stamp.unlink(missing_ok=True)
            shutil.rmtree(libs, ignore_errors=True)
            _copy_dependencies(libs)
            stamp.write_text(wanted)
    return libs


def _copy_dependencies(libs: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise EngineUnavailableError(
            "no Kafka: neither SOLEKEY_TEST_KAFKA, nor Docker, nor Maven for the official jars"
        )
    command = [maven, "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies"]
    command += [f"-DoutputDirectory={libs}", "-DincludeScope=runtime"]
    try:
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=_RESOLVE_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        raise EngineUnavailableError(
            f"no Kafka: Maven could not resolve the jars: {error.stdout[-500:]}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise EngineUnavailableError(f"no Kafka: Maven took longer than {_RESOLVE_TIMEOUT_S} s") from error
