"""Ask a service for its health: exit 0 when it answers 200. Usage: healthcheck.py URL [CA CLIENT].

CA: the authority that certified the service. CLIENT: our own key and certificate. PEM files, both.
"""

import ssl
import sys
from urllib.request import urlopen

TIMEOUT_S = 2

if __name__ == "__main__":
    url, *files = sys.argv[1:]
    tls = None
    if files:
        tls = ssl.create_default_context(cafile=files[0])
        tls.load_cert_chain(files[1])
    with urlopen(url, timeout=TIMEOUT_S, context=tls) as answer:  # noqa: S310 - the compose file names the URL
        print(answer.read().decode())
