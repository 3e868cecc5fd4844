"""What every Solekey service is built with: HTTP, access, its kernel, nameko extensions, its runner.

Map
    HTTP
        http/         requests, responses and problem documents as values; refusals.py: what is refused
        http_server/  one listen socket for all services of a process; eventlet, no nameko
        access/       who may call what: tokens, DPoP proofs, the guard, the rate of requests
        nameko_ext/   runs what a definition declares: routes, the bus, jobs
        monitoring/   what operators see: numbers and probes, on a port of their own
    What a service is
        definition.py the declaration of a service: its config, tables, routes, reactions, jobs, commands
        config.py     ServiceConfig: the settings of every service
        kernel.py     a running service's parts, without its web framework
        build.py      a service's Api, made of its definition
        transaction.py  one transaction that is retried; to refuse, but commit
        clock_watch.py  notices when the clock jumps
    What every service does
        statement_flow.py  from a signed statement in a request to its event
        statement_handler.py  what a service adds to that
        event_rate.py how many statements an account may make
        stream_api.py what every service answers about its own stream: statements, events, health
    Operators and auditors
        operator_command.py  what an operator can do to a service; log_commands.py: common to all
        read_models.py  what is derived from events: rebuilt, compared, switched
        stored_list.py  what a service has stored, for an auditor
    The process
        command_line.py  ``python -m solekey_<service> [command]``
        runner.py     services as a process: signals, start, stop, exit codes
        log_setup.py  how the process logs
        name_lookup.py  the addresses of other servers, asked for anew each time
        loops_under_eventlet.py  what loops of kafka-python and psycopg need of eventlet, made cheap
        supervisor.py several processes of a service on one address; worker_link.py: what they share
        worker_process.py  a process for long computations
        tls.py        the TLS of the listen socket; authority.py: a certificate authority and what it issues

It stands on ``solekey_eventlog``, which knows neither HTTP nor nameko.
"""
