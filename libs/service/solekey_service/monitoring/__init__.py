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
    traces.py           requests and events for an OpenTelemetry collector; spans.py: what is sent of them

Numbers and probes name no account and repeat nothing of a request. Labels take their values from
declarations alone: the names of services, operations and streams, and the codes of refusals. Spans of traces
name places of events. Decisions: docs/decisions/0127, 0160.
"""
