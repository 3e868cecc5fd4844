"""Runs both on one port and prints it. Arguments: folder, bus URL, origin, and TLS files or none."""

from solekey_service.runner import run  # patches the standard library: stays first

# isort: split
import os
import sys
from dataclasses import replace
from pathlib import Path

from solekey_eventlog.bus import BusConfig
from solekey_eventlog.log_lines import LogFormat
from solekey_eventlog.secret import Secret
from solekey_service.config import ServiceConfig
from solekey_service.log_setup import set_up_logging
from tests.support.demo_service.definitions import AUTH, VAULT


class DemoConfig(ServiceConfig):
    """A configuration that may have the bus given up sooner than operators can."""

    def bus_config(self, client_id: str) -> BusConfig:
        given = super().bus_config(client_id)
        limit_s = float(os.environ.get("DEMO_BUS_TIMEOUT_S", given.request_timeout_s))
        return replace(given, publish_timeout_s=limit_s, request_timeout_s=limit_s)


if __name__ == "__main__":
    folder, bus_url, origin, *tls = sys.argv[1:]
    set_up_logging("INFO", LogFormat(os.environ.get("DEMO_LOG_FORMAT", "text")))
    cert, key = (Path(name) for name in tls) if tls else (None, None)
    configs = [
        DemoConfig(
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
