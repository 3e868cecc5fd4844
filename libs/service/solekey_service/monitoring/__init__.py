"""What operators see of a process: numbers and probes, on a port of their own.

Map
    gauge.py            Gauge: the declaration of a number that is read when it is asked for
    common_gauges.py    those that every service has
    request_metrics.py  counts and times requests, by operation and code
    measurements.py     reads the gauges of running services
    exposition.py       writes all of it in Prometheus's text format
    started.py          a running service, as the other modules see it
    readiness.py        whether a process can do its work
    server.py           the port: /metrics, /live and /ready

Nothing here names an account or repeats anything of a request. Labels take their values from declarations
alone: the names of services, operations and streams, and the codes of refusals. Decision:
docs/decisions/0127.
"""
