"""nameko at the edge: runs what a ServiceDefinition declares. Nothing here decides anything about the domain.

Map
    service_class.py    the class that nameko runs, made of a definition
    http_entrypoint.py  one route: admits a request, reads its body, runs its handler
    bus_entrypoint.py   the topics that are followed; commits after the worker succeeded
    timer.py            one job
    wiring.py           the service's Api, its publisher and its heartbeats
"""
