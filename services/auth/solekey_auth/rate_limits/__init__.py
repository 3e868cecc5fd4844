"""Rate limits: how often something may be tried, and how long the next attempt waits after that.

Spec: rate-limits.md §2.

Map
    limit.py     Limit: so many free attempts, and how fast a bucket drains; RateLimits: those in force
    bucket.py    Bucket: what one device, name or source has used of a limit; pure arithmetic
    limiter.py   RateLimiter: which buckets an attempt counts against, and their locked rows

A *limit* is a rule and a *bucket* is its state for one subject. Only failed logins are counted; requests for
challenges and registrations are counted always.

One timeline, of ``Limit(free=3, drain_every=10 min, first_wait=30 s, longest_wait=5 min)``, in which every
attempt fails::

    time      used after it   next attempt at
    12:00:00       1          at once             two free attempts are left
    12:00:10       2          at once             one is left
    12:00:20       3          12:00:50            the last free one: first_wait begins
    12:00:30       3          12:00:50            429, Retry-After: 20; nothing is judged or counted
    12:00:50       4          12:01:50            each further attempt doubles the wait
    12:01:50       5          12:03:50
    12:03:50       6          12:07:50
    12:07:50       7          12:12:50            longest_wait: it doubles no more
    12:12:50       7          12:17:50            the first left the bucket at 12:10:00; this one is added
    13:20:00       0          at once             seven times 10 min have passed: the row may be deleted

No bucket locks permanently: a wait ends by itself, and a right attempt after it is accepted at once.

Concurrency: an attempt locks the rows of its buckets until its transaction ends, so simultaneous attempts
against one bucket are judged one after another, by all processes on the database.
"""
