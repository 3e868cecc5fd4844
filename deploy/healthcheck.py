"""Tell Docker how a service is: exit 0 when it is well.

Usage: healthcheck.py [--once-ready FILE --then LIVE] URL [CA CLIENT]

A service that answers 200 at URL is ready for its clients: it hears every other service. With FILE that is
demanded until it was so once; from then on LIVE decides, which asks nothing of a database, a bus or another
service. Otherwise one broken service would make all of them unhealthy, and Compose starts nothing while a
container is.

CA: the authority that certified the service. CLIENT: our own key and certificate. PEM files, both.
"""

import argparse
import ssl
from pathlib import Path
from urllib.request import urlopen

TIMEOUT_S = 8

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--once-ready", type=Path, metavar="FILE")
    parser.add_argument("--then", metavar="LIVE")
    parser.add_argument("url")
    parser.add_argument("files", nargs="*", metavar="CA CLIENT")
    arguments = parser.parse_args()
    marker, tls = arguments.once_ready, None
    if arguments.files:
        tls = ssl.create_default_context(cafile=arguments.files[0])
        tls.load_cert_chain(arguments.files[1])
    was_ready = marker is not None and marker.exists()
    url = arguments.then if was_ready else arguments.url
    with urlopen(url, timeout=TIMEOUT_S, context=None if was_ready else tls) as answer:  # noqa: S310 - Compose names it
        print(answer.read().decode())
    if marker is not None:
        marker.touch()
