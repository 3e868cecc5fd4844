"""Runs both on one port and prints it. Arguments: folder, bus URL, origin, and TLS files or none."""

from solekey_service.runner import run, set_up_logging  # patches the standard library: stays first

# isort: split
import os
import sys
from pathlib import Path

from solekey_eventlog.log_lines import LogFormat
from solekey_eventlog.secret import Secret
from solekey_service.config import ServiceConfig
from tests.support.demo_service.definitions import AUTH, VAULT

if __name__ == "__main__":
    folder, bus_url, origin, *tls = sys.argv[1:]
    set_up_logging("INFO", LogFormat(os.environ.get("DEMO_LOG_FORMAT", "text")))
    cert, key = (Path(name) for name in tls) if tls else (None, None)
    configs = [
        ServiceConfig(
            database_url=Secret(os.environ.get(f"DEMO_{name.upper()}", f"sqlite:///{folder}/{name}.db")),
            bus_url=bus_url,
            origin=origin,
            listen="127.0.0.1:0",
            trusted_proxies=os.environ.get("DEMO_TRUSTED_PROXIES", ""),
            monitoring_listen=os.environ.get("DEMO_MONITORING"),
            traces_endpoint=os.environ.get("DEMO_TRACES"),
            tls_cert=cert,
            tls_key=key,
            max_connections=int(os.environ.get("DEMO_MAX_CONNECTIONS", "1000")),
            max_connections_per_source=int(os.environ.get("DEMO_MAX_CONNECTIONS_PER_SOURCE", "200")),
        )
        for name in ("auth", "vault")
    ]
    sys.exit(run([AUTH, VAULT], configs, on_ready=lambda port, _: print(port, flush=True)))
