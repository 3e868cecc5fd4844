"""What one abusive account and 1,000 slow sockets do to everybody else, on the embedded platform.

One user asks at a steady pace: reads, small uploads, their way back, the list of sessions. First alone, then
while another account, with every right that an account has, sends hostile CBOR, commits that name a giant
snapshot, policies without end and 8 MiB objects, as fast as it is answered; and 1,000 sockets trickle a
byte of a request now and then. Quiet and attacked rounds take turns. The attack comes from processes of its
own at a low priority: what is compared is the platform, not who gets the processor.

Run it with `make bench-abuse`.

Spec: conventions.md §7.2; rate-limits.md §4; vault.md §3.1. Why it is so: docs/decisions/0044, 0045, 0046.
"""

import argparse
import multiprocessing
import os
import secrets
import socket
import ssl
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bench.measure import Row, make_row, print_rows, write_rows
from solekey_protocol.change_list import Change, Part
from solekey_protocol.event import parse_event
from solekey_protocol.events import Stream
from solekey_protocol.events.rotation import PolicySet
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import Digest, ItemId, compute_digest
from solekey_protocol.page_list import encode_pages
from solekey_protocol.services import Service
from solekey_protocol.statements import EMPTY_HEAD
from tests.support.people.household import SERVICES, Answer, Device, Household, Site
from tests.support.platform_process import PlatformProcess

GOAL: Final = "ratio <= 3"
SLOW_SOCKETS: Final = 1000
_REQUESTS: Final = 40  # of each kind, a round
_ROUNDS: Final = 3
_PAUSE_S: Final = 0.02
_SETTLE_S: Final = 2.0
_NICE: Final = 10
_GIANT: Final = 60_000  # changes

Request = tuple[Service, str, str, Any]


def measure(user: Household) -> tuple[dict[str, list[float]], Counter[str]]:
    """Ask at a steady pace; returns the seconds of each kind of request, and what was no success."""
    times: dict[str, list[float]] = {}
    failures: Counter[str] = Counter()
    for number in range(_REQUESTS):
        for kind, request in _make_requests(number):
            device = user.laptop
            began_s = time.perf_counter()
            try:
                told = device.ask(*request)
            except OSError as error:
                device.hang_up()
                failures[f"{kind}: {type(error).__name__}"] += 1
                continue
            times.setdefault(kind, []).append(time.perf_counter() - began_s)
            if told.status >= 300:  # no success
                failures[f"{kind}: {told.told}"] += 1
            time.sleep(_PAUSE_S)
    return times, failures


def _make_requests(number: int) -> Iterator[tuple[str, Request]]:
    body = secrets.token_bytes(2048) + number.to_bytes(4, "big")
    path = f"objects/{compute_digest(body)}"
    yield "read the vault's events", (Service.VAULT, "GET", "events", None)
    yield "send a small object", (Service.VAULT, "PUT", path, body)
    yield "read it back", (Service.VAULT, "GET", path, None)
    yield "list the sessions", (Service.AUTH, "GET", "sessions", None)


class Abuser:
    """One account that does what an account may, as fast as it is answered."""

    def __init__(self, site: Site) -> None:
        self._account = Household(site)
        self._account.sign_up()
        self._laptop = self._account.laptop
        rows = (Part(Digest(secrets.token_hex(32)), 1) for _ in range(_GIANT))
        changes = [
            Change(ItemId.from_raw(secrets.token_bytes(16)), 1, 1, (part,), Digest("0" * 64)) for part in rows
        ]
        self._giant, self._pages = encode_pages(changes)
        self._rotation_head = EMPTY_HEAD
        self._large = secrets.token_bytes(8 << 20)

    def prepare(self) -> None:
        """Upload the pages of the giant snapshot, and their list."""
        for body in (*self._pages, self._giant):
            path = f"objects/{compute_digest(body)}"
            answer = self._laptop.ask_until_known(Service.VAULT, "PUT", path, body)
            if answer.status >= 300:  # no success
                raise RuntimeError(answer.told)

    def make_attacks(self) -> Sequence[Callable[[Device], Answer]]:
        """The kinds of abuse, each for a connection of its own."""
        return (self._hostile_cbor, self._giant_snapshot, self._policies, self._large_object)

    def copy_device(self) -> Device:
        """The same device and session with connections of its own."""
        laptop = self._laptop
        return Device(laptop.site, laptop.actor, laptop.tokens, laptop.refresh_token, laptop.after)

    def _hostile_cbor(self, device: Device) -> Answer:
        half = 96 * 1024
        bignum = b"\xc2\x5a" + half.to_bytes(4, "big") + b"\xff" * half
        body = b"\xa1\x67objects\x81\xc4\x82" + 2 * bignum
        fields = device.prove(Service.VAULT, "POST", "objects", token=device.tokens[Service.VAULT])
        line = device.lines.setdefault(Service.VAULT, device.site.connect(Service.VAULT))
        line.request("POST", "/v1/vault/objects", body, {**fields, "Content-Type": "application/cbor"})
        response = line.getresponse()
        return Answer(response.status, response.read(), time.monotonic())

    def _giant_snapshot(self, device: Device) -> Answer:
        body = ItemsCommitted(1, CommitKind.SNAPSHOT, 1, compute_digest(self._giant), _GIANT, _GIANT)
        signed = device.actor.sign(body, EMPTY_HEAD, {Stream.DEVICES: self._account.head})
        return device.ask(Service.VAULT, "POST", "statements", signed.to_json())

    def _policies(self, device: Device) -> Answer:
        signed = device.actor.sign(
            PolicySet(365, 365), self._rotation_head, {Stream.DEVICES: self._account.head}
        )
        answer = device.ask(Service.ROTATION, "POST", "statements", signed.to_json())
        if answer.status in {200, 201}:
            self._rotation_head = parse_event(answer.raw).head
        return answer

    def _large_object(self, device: Device) -> Answer:
        body = secrets.token_bytes(32) + self._large[32:]
        return device.ask(Service.VAULT, "PUT", f"objects/{compute_digest(body)}", body)


def attack(site_of: tuple[str, str, str], ready: Event, go: Event, told: Any) -> None:
    """Run the abusive account; a process."""
    abuser = Abuser(open_site(*site_of))
    abuser.prepare()
    os.nice(_NICE)
    ready.set()
    counts: Counter[str] = Counter()
    threads = [
        threading.Thread(target=_repeat, args=(kind, abuser.copy_device(), go, counts), daemon=True)
        for kind in abuser.make_attacks()
    ]
    for thread in threads:
        thread.start()
    told.get()
    told.put(dict(counts))


def _repeat(kind: Callable[[Device], Answer], device: Device, go: Event, counts: Counter[str]) -> None:
    while True:
        go.wait()
        try:
            answer = kind(device)
            counts[f"{kind.__name__.strip('_')}: {answer.told}"] += 1
        except OSError as error:
            counts[f"{kind.__name__.strip('_')}: {type(error).__name__}"] += 1
            device.hang_up()
            time.sleep(0.1)


def trickle(address: tuple[str, int], go: Event) -> None:
    """Hold 1,000 sockets that send a byte of a TLS record now and then; a process."""
    os.nice(_NICE)
    sockets: list[socket.socket] = []
    while True:
        if not go.is_set():
            for each in sockets:
                each.close()
            sockets.clear()
            go.wait()
        alive = []
        for each in sockets:
            try:
                each.send(b"\x16")
                alive.append(each)
            except OSError:
                each.close()
        sockets = alive
        while len(sockets) < SLOW_SOCKETS:
            try:
                sockets.append(socket.create_connection(address, timeout=1))
                sockets[-1].setblocking(False)
            except OSError:
                break
        time.sleep(1)


def open_site(url: str, ca: str, origin: str) -> Site:
    """Name the embedded platform: every service at one address."""
    address = urlsplit(url).netloc
    return Site(origin, dict.fromkeys(SERVICES, address), ssl.create_default_context(cafile=ca))


@contextmanager
def run_attackers(
    context: Any, site_of: tuple[str, str, str]
) -> Iterator[tuple[Event, Callable[[], dict[str, int]]]]:
    """Start the attackers, which wait for the event; the function tells what the account was answered."""
    ready, go, told = context.Event(), context.Event(), context.Queue()
    parts = urlsplit(site_of[0])
    address = (str(parts.hostname), int(parts.port or 443))
    processes = [
        context.Process(target=attack, args=(site_of, ready, go, told), daemon=True),
        context.Process(target=trickle, args=(address, go), daemon=True),
    ]
    for process in processes:
        process.start()
    try:
        if not ready.wait(180):
            raise RuntimeError("the abusive account could not be made")

        def ask() -> dict[str, int]:
            told.put(None)
            time.sleep(0.5)
            counts: dict[str, int] = told.get(timeout=30)
            return counts

        yield go, ask
    finally:
        for process in processes:
            process.kill()
            process.join()


def find_p99(values: Sequence[float]) -> float:
    """Find the 99th percentile."""
    return statistics.quantiles(values, n=100)[98]


def make_rows(quiet: dict[str, list[float]], attacked: dict[str, list[float]], failures: int) -> list[Row]:
    """Compare each kind of request, and all of them together."""
    rows = []
    for kind in quiet:
        value = find_p99(attacked[kind]) if kind in attacked else float("inf")
        reference = find_p99(quiet[kind])
        rows.append(make_row(kind, value * 1000, "ms, p99", reference="quiet", against=reference * 1000))
    everything = [[*chain.from_iterable(times.values())] for times in (attacked, quiet)]
    value, reference = (find_p99(times) * 1000 for times in everything)
    rows.append(make_row("all", value, "ms, p99", reference="quiet", against=reference, goal=GOAL))
    rows.append(make_row("requests that failed", failures, "requests", goal="value <= 0"))
    return rows


def main() -> int:
    """Measure, print, write; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/bench/abuse.json"))
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        platform = PlatformProcess(Path(folder) / "platform")
        platform.start()
        try:
            rows = _measure_platform(platform, arguments.rounds)
        finally:
            platform.stop()
    print_rows("One abusive account and 1,000 slow sockets", rows)
    write_rows(arguments.output, rows)
    return 0 if all(row.met is not False for row in rows) else 1


def _measure_platform(platform: PlatformProcess, rounds: int) -> list[Row]:
    site_of = (platform.url, str(platform.ca), platform.url)
    site = open_site(*site_of)
    user = Household(site)
    user.sign_up()
    quiet: dict[str, list[float]] = {}
    attacked: dict[str, list[float]] = {}
    failures: Counter[str] = Counter()
    with run_attackers(multiprocessing.get_context("spawn"), site_of) as (go, ask):
        print("the attackers are ready", flush=True)
        measure(user)  # warm
        for _ in range(rounds):
            for times, attacking in ((quiet, False), (attacked, True)):
                (go.set if attacking else go.clear)()
                time.sleep(_SETTLE_S)
                print(f"{'attacked' if attacking else 'quiet'} round …", flush=True)
                measured, failed = measure(user)
                failures += failed
                for kind, values in measured.items():
                    times.setdefault(kind, []).extend(values)
        go.clear()
        print("failures of the user:", dict(failures))
        print("answers to the abusive account:", ask())
    user.close()
    return make_rows(quiet, attacked, sum(failures.values()))


if __name__ == "__main__":
    raise SystemExit(main())
