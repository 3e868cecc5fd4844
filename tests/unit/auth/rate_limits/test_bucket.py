"""One bucket: what it counts, how long it makes somebody wait, and how it recovers."""

import contextlib
import re
from datetime import UTC, datetime, time, timedelta

import pytest

from solekey_auth import rate_limits
from solekey_auth.rate_limits.bucket import Bucket
from solekey_auth.rate_limits.limit import (
    Limit,
    RateLimits,
)
from solekey_auth.refusals import TooManyAttempts
from tests.unit.auth.rate_limits.test_limiter import NOW

LIMIT = Limit(3, timedelta(minutes=10), timedelta(seconds=30), timedelta(minutes=5))


# One bucket


def test_attempts_are_free_then_each_wait_is_twice_the_last():
    bucket, waits = Bucket(0, NOW, NOW), []
    for _ in range(8):
        bucket = bucket.add(LIMIT, NOW)
        waits.append((bucket.free_at - NOW).total_seconds())
    assert waits == [0, 0, 30, 60, 120, 240, 300, 300]


def test_whoever_waits_is_told_how_long_and_not_a_moment_longer():
    bucket = Bucket(0, NOW, NOW)
    for _ in range(3):
        bucket = bucket.add(LIMIT, NOW)
    with pytest.raises(TooManyAttempts, match="in 30 s") as refused:
        bucket.verify_room(LIMIT, NOW)
    assert refused.value.retry_after_s == 30
    with pytest.raises(TooManyAttempts) as refused:
        bucket.verify_room(LIMIT, NOW + timedelta(seconds=29.5))
    assert refused.value.retry_after_s == 1
    bucket.verify_room(LIMIT, NOW + timedelta(seconds=30))


def test_a_bucket_recovers_one_attempt_at_a_time():
    bucket = Bucket(3, NOW, NOW)
    assert bucket.drain(LIMIT, NOW + timedelta(minutes=9)).used == 3
    later = bucket.drain(LIMIT, NOW + timedelta(minutes=15))
    assert (later.used, later.counted_at) == (2, NOW + timedelta(minutes=10))  # nothing of the time is lost
    assert later.drain(LIMIT, NOW + timedelta(minutes=20)).used == 1
    assert bucket.drain(LIMIT, NOW + timedelta(minutes=30)).used == 0


def test_a_bucket_with_attempts_left_knows_no_wait_whichever_clock_is_ahead():
    bucket = Bucket(0, NOW, NOW).add(LIMIT, NOW + timedelta(milliseconds=40))
    bucket.verify_room(LIMIT, NOW)
    assert bucket.add(LIMIT, NOW).used == 2
    last = bucket.add(LIMIT, NOW).add(LIMIT, NOW)
    with pytest.raises(TooManyAttempts):  # positive control: none is left
        last.verify_room(LIMIT, NOW)


def test_a_wait_that_was_written_while_the_clock_was_ahead_is_over():
    bucket = Bucket(0, NOW, NOW)
    for _ in range(9):
        bucket = bucket.add(LIMIT, NOW)
    with pytest.raises(TooManyAttempts) as refused:
        bucket.verify_room(LIMIT, NOW)
    assert refused.value.retry_after_s == 300
    earlier = NOW - timedelta(days=1)
    bucket.verify_room(LIMIT, earlier)
    again = bucket.add(LIMIT, earlier)  # one attempt, then the wait that is due, by the right clock
    assert again.free_at == earlier + timedelta(minutes=5)
    assert bucket.drain(LIMIT, earlier).counted_at == earlier


def test_no_bucket_is_a_lock_for_ever():
    limits = RateLimits()
    for limit in (limits.login_device, limits.login_stranger, limits.login_name, limits.login_source):
        bucket = Bucket(0, NOW, NOW)
        for _ in range(10_000):
            bucket = bucket.add(limit, NOW)
        assert bucket.free_at - NOW <= limit.longest_wait <= timedelta(hours=1)


def test_the_timeline_of_the_package_is_what_happens():
    """Each row of the docstring: when an attempt fails, what is used after it, when the next one may come."""
    rows = re.findall(
        r"^ +(\d\d:\d\d:\d\d) +(\d+) +(at once|\d\d:\d\d:\d\d)", rate_limits.__doc__, re.MULTILINE
    )
    assert len(rows) == 10
    limit = Limit(3, timedelta(minutes=10), timedelta(seconds=30), timedelta(minutes=5))
    bucket = Bucket(0, NOW, NOW)
    for at, used, next_at in rows:
        now = datetime.combine(NOW.date(), time.fromisoformat(at), UTC)
        if used == "0":
            assert bucket.derive_empty_at(limit) == now
            bucket = bucket.drain(limit, now)
        else:
            with contextlib.suppress(TooManyAttempts):
                bucket.verify_room(limit, now)
                bucket = bucket.add(limit, now)
        assert bucket.used == int(used), at
        waits_until = None if bucket.free_at <= now else f"{bucket.free_at:%H:%M:%S}"
        assert (waits_until or "at once") == next_at, at
