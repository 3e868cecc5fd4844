"""The benchmark of the audit, at a tiny size: its log is clean; its limit verifies the same signatures."""

import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bench.audit import make_rows, read_triples, write_log, write_pins
from bench.audit_log import read_original
from bench.audit_story import tell_original
from solekey.audit import Verdict, open_log, read_pins, verify_log

ACCOUNTS = 3


def test_the_log_is_clean_and_as_long_as_it_says(tmp_path):
    original, system = read_original(event.raw for event in tell_original())
    log, pins = tmp_path / "events.jsonl", tmp_path / "pins.json"
    write_log(log, original, system, ACCOUNTS)
    write_pins(pins, original, ACCOUNTS)
    report = verify_log(open_log(log), read_pins(pins))
    assert (report.verdict, report.records) == (Verdict.CLEAN, ACCOUNTS * original.events + len(system))
    given = [json.loads(line)["data"].get("signatures", {}) for line in log.read_bytes().splitlines()]
    assert sum(map(len, given)) == ACCOUNTS * original.signatures


def test_the_limit_verifies_what_the_audit_does():
    original, _ = read_original(event.raw for event in tell_original())
    triples = read_triples(original)
    assert len(triples) == len(set(triples)) > 1000
    for key, signature, message in triples[:100]:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)


def test_seven_tenths_of_the_limit_are_asked_for():
    audit = {"records": 1000, "wall_s": 2.0, "cpu_s": 4.0, "peak_mib": 100.0}
    for signatures, met in ((2800, True), (2799, False)):
        [first, own, *_] = make_rows([(1900.0, 1000.0), (2100.0, 1000.0)], audit, signatures, 2)
        assert (first.reference_value, first.met) == (2000.0, met)
        assert own.value == signatures / 4.0
