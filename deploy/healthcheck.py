"""Tell Docker how a service is: exit 0 when it is well.

Usage: healthcheck.py [--once-ready FILE] URL [CA CLIENT]

A service that answers 200 is ready: it hears every other service. With FILE that is demanded until it was so
once; from then on any answer will do. Otherwise one broken service would make all of them unhealthy, and
Compose starts nothing while a container is.

CA: the authority that certified the service. CLIENT: our own key and certificate. PEM files, both.
"""

import argparse
import ssl
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

TIMEOUT_S = 8

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--once-ready", type=Path, metavar="FILE")
    parser.add_argument("url")
    parser.add_argument("files", nargs="*", metavar="CA CLIENT")
    arguments = parser.parse_args()
    marker = arguments.once_ready
    tls = None
    if arguments.files:
        tls = ssl.create_default_context(cafile=arguments.files[0])
        tls.load_cert_chain(arguments.files[1])
    try:
        with urlopen(arguments.url, timeout=TIMEOUT_S, context=tls) as answer:  # noqa: S310 - Compose names it
            print(answer.read().decode())
    except HTTPError as error:
        if marker is None or not marker.exists():
            raise
        print(error)
    else:
        if marker is not None:
            marker.touch()
