"""What the server side touches: each channel in which a secret could reach it, or stay there."""

from enum import StrEnum


class Channel(StrEnum):
    """A channel; its value is its name in reports."""

    REQUESTS = "HTTP requests, TLS opened"
    RESPONSES = "HTTP responses, TLS opened"
    DATABASE_ROWS = "database rows, as a dump"
    DATABASE_FILES = "database files"
    BUS = "files of the event bus"
    OBJECTS = "object store"
    SERVICE_LOGS = "logs of the services, at DEBUG"
    OTHER_LOGS = "logs of proxy, broker and database"
    HEALTH = "health answers"
    METRICS = "metrics of the services"
    TEMPORARY = "temporary files"
    DELETED = "deleted files that are held open"
    ENVIRONMENT = "environments and command lines"
    MEMORY_DURING = "memory of all processes, account unlocked"
    MEMORY_AFTER = "memory of all processes, afterwards"
    CORE = "core dumps"
