"""An auditable event log in a database and on a bus. It knows neither HTTP nor a web framework.

Map
    A service's own events
        store.py      EventStore: append-only streams; source of truth and outbox
        unit_of_work.py  UnitOfWork: one transaction, its events and rows
        noted_first.py  what must be durable with the first thing that a request writes
        publisher.py  store → bus; publisher_lock.py: one publisher at a time
        heartbeats.py signs of life, from a process of their own
    The events of others
        projector.py  bus → inbox and reactions; batch.py: many records in one transaction
        parking.py    events that wait
        offsets.py    how far it is; freshness.py: what is applied, and how old that is
        standby.py    applies what no other process of the service applies
    State
        streams.py    an account's streams, folded and cached; snapshots.py: folds that are kept
        heads.py      how far many streams go, and which accounts wait
    The log and the databases compared (what operators' commands do)
        log_check.py  whether the log on the bus went back; topic_watch.py: whether it keeps what it is given
        consistency.py  whether both hold the same, and what to do where they do not
        log_comparison.py  everything in the database ↔ everything in the log; log_index.py: by digest
        recover.py    takes back what the database has lost; republish.py: publishes what the log has lost
        restoration.py  that a database was restored from a backup
        rebuild.py    folds the inbox from zero; inbox_replacement.py: and puts it in its place
        log_copy.py   topics sorted by account, beside what the database has of them
    Carried by
        bus/          the bus: embedded, or Kafka
        engine.py     the database; tables.py its tables; migrations.py brings them up to date
        offload.py    waiting for the disk without holding up others
        scratch.py    a database for one command's work
        foundations.py  what existing data depends on
        clock.py      time as an argument
        secret.py     settings that nobody may see
        child_process.py  a process beside this one, such as that of the heartbeats
        log_lines.py  log lines in which nothing foreign can act; log_context.py: what a line belongs to
        event_observer.py  who is told of each event, such as a tracer
        trouble.py    what fails again and again, reported once
        errors.py     what goes wrong
"""
