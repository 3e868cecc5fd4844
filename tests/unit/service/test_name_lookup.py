"""A service finds a server that has moved, and goes on while it asks where."""

import subprocess
import sys
import textwrap

from tests.support.repository import ROOT

# The system's resolver is replaced before eventlet sees it. It answers only once a green thread has run
# meanwhile, and each time with another address, as after a server was made anew.
PROGRAM = """
    import socket, threading
    ran, answers = threading.Event(), iter(["192.0.2.1", "192.0.2.2"])

    def ask(host, port, *hints):
        if not ran.wait(20):
            raise socket.gaierror("everything waited for the answer")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    socket.getaddrinfo = ask
    import solekey_service.runner
    import eventlet
    import eventlet.green.socket
    eventlet.spawn_n(ran.set)
    for module in (socket, eventlet.green.socket):
        (found,) = module.getaddrinfo("database", 5432)
        print(found[4][0])
"""


def test_a_name_is_looked_up_anew_each_time_while_others_run() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["192.0.2.1", "192.0.2.2"], done.stderr
