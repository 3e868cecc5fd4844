"""Ask a service for its health: exit 0 when it answers 200. Usage: healthcheck.py URL."""

import sys
from urllib.request import urlopen

TIMEOUT_S = 2

if __name__ == "__main__":
    with urlopen(sys.argv[1], timeout=TIMEOUT_S) as answer:  # noqa: S310 - the compose file names the URL
        print(answer.read().decode())
