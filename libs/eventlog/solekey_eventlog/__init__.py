"""An auditable event log in a database and on a bus. It knows neither HTTP nor a web framework.

Map
    store.py      EventStore, UnitOfWork: a service's own streams; source of truth and outbox
    streams.py    Streams: the state of an account's streams, folded and cached
    publisher.py  store → bus; publisher_lock.py: one publisher at a time; heartbeats.py: signs of life
    projector.py  bus → inbox and reactions; parking.py: events that wait; offsets.py: how far it is
    freshness.py  what this service has applied, and how old that is
    log_check.py  whether the log on the bus went back; foundations.py: what the data depends on
    log_comparison.py  everything in the database ↔ everything in the log; log_index.py: by digest
    scratch.py    a database for one command's work
    standby.py    applies what no other process of the service applies
    republish.py  publishes again what the log has lost
    bus/          the bus: embedded, or Kafka
    engine.py     the database; tables.py its tables; migrations.py brings them up to date
    clock.py      time as an argument
    errors.py     what goes wrong
    secret.py     settings that nobody may see
    child_process.py  a process beside this one, such as that of the heartbeats
    log_lines.py  log lines in which nothing foreign can act
"""
