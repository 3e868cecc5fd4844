"""What every Solekey service is built with: HTTP, access, its kernel, nameko extensions, its runner.

Map
    http/              requests, responses and problem documents as values
    http_server/       one listen socket for all services of a process; eventlet, no nameko
    access/            who may ask what: tokens, DPoP proofs, the guard, the rate of requests
    nameko_ext/        entry points of a ``service.py``: HTTP, bus, timers, wiring
    kernel.py          a service's parts, without its web framework
    config.py          ServiceConfig: what every service is told
    statement_flow.py  from a signed statement in a request to its event
    event_rate.py      how many statements an account may make
    stream_views.py    what each service answers about its own stream: events and health
    runner.py          services as a process: signals, start, stop, exit codes
    worker_process.py  a process for long computations
    tls.py             the TLS of the listen socket

It stands on ``solekey_eventlog``, which knows neither HTTP nor nameko.
"""
