"""Loops of a library wait under eventlet without holding up others, and know which thread they are in."""

import json
import subprocess
import sys
import textwrap

from tests.support.repository import ROOT

PROGRAM = """
    import warnings
    warnings.simplefilter("ignore")
    import eventlet
    eventlet.monkey_patch()
    import gc, json, selectors, socket, threading, weakref
    from solekey_service.loops_under_eventlet import install
    main_thread = threading.current_thread()
    install()

    told = {"kind": selectors.DefaultSelector.__name__}
    selector, (ours, theirs) = selectors.DefaultSelector(), socket.socketpair()
    selector.register(ours, selectors.EVENT_READ, "ours")
    told["nothing at once"] = selector.select(0)
    told["nothing in time"] = selector.select(0.01)
    eventlet.spawn_n(theirs.send, b"x")  # runs only while the selector waits for it
    told["read"] = [(key.data, events) for key, events in selector.select(20)]
    selector.modify(ours, selectors.EVENT_READ | selectors.EVENT_WRITE, "both")
    told["both"] = [(key.data, events) for key, events in selector.select(20)]
    selector.modify(ours, selectors.EVENT_WRITE, "write")
    told["write"] = [(key.data, events) for key, events in selector.select(20)]
    turns = []
    eventlet.spawn_n(turns.append, 1)
    while not turns:  # what is always ready does not keep the others out
        selector.select(0)
    selector.modify(ours, selectors.EVENT_READ, "end")
    theirs.close()
    told["end"] = [(key.data, events) for key, events in selector.select(20)]
    told["known"] = selector.get_key(ours).data
    ours.close()
    selector.unregister(ours)
    try:
        selector.get_key(theirs)
    except (KeyError, ValueError) as error:
        told["unknown"] = type(error).__name__
    selector.close()

    seen = []

    def look():
        seen.extend(threading.current_thread() for _ in range(2))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    told["own thread"] = seen[0] is seen[1] is thread
    green = eventlet.spawn(look)
    green.wait()
    told["green thread"] = seen[2] is seen[3] and seen[2] is not thread
    told["main thread"] = threading.current_thread() is main_thread
    left = weakref.ref(green)
    del green, seen[:]
    eventlet.sleep()
    gc.collect()
    told["is forgotten"] = left() is None

    import psycopg
    from psycopg import waiting

    def ask(wanted):
        ready = yield wanted
        return ready, line.recv(1).decode() if ready == waiting.READY_R else ""

    line, end = socket.socketpair()
    eventlet.spawn_n(end.send, b"x")  # runs only while the answer is waited for
    told["an answer"] = waiting.wait(ask(waiting.WAIT_R), line.fileno(), 0.1)
    told["to send"] = waiting.wait(ask(waiting.WAIT_W), line.fileno(), 0.1)
    told["either"] = waiting.wait(ask(waiting.WAIT_RW), line.fileno(), 0.1)
    eventlet.spawn_n(end.send, b"y")
    told["in time"] = waiting.wait(ask(waiting.WAIT_R), line.fileno(), 0.1, timeout=20)
    told["nothing in the time"] = waiting.wait(ask(waiting.WAIT_R), line.fileno(), 0.01, timeout=0.01)
    descriptor = line.fileno()
    line.close()
    try:
        waiting.wait(ask(waiting.WAIT_R), descriptor, 0.1)
    except psycopg.OperationalError as error:
        told["closed"] = str(error)
    print(json.dumps(told))
"""


def test_a_selector_waits_in_the_hub_and_threads_are_remembered_while_they_run() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "kind": "HubSelector",
        "nothing at once": [],
        "nothing in time": [],
        "read": [["ours", 1]],
        "both": [["both", 3]],
        "write": [["write", 2]],
        "end": [["end", 1]],
        "known": "end",
        "unknown": "ValueError",
        "own thread": True,
        "green thread": True,
        "main thread": True,
        "is forgotten": True,
        "an answer": [1, "x"],
        "to send": [2, ""],
        "either": [2, ""],
        "in time": [1, "y"],
        "nothing in the time": [0, ""],
        "closed": "connection socket closed",
    }
