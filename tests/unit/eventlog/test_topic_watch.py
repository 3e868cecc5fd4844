"""A change of the topics' settings is said once, in words that name topic and setting, and its end too."""

import logging

import pytest

from solekey_eventlog.bus import BusConfigurationError, BusUnavailableError
from solekey_eventlog.topic_watch import TopicWatch
from solekey_protocol.services import Service


class Topics:
    """What the check finds."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def check(self) -> None:
        if self.error is not None:
            raise self.error


def test_each_change_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    topics = Topics()
    watch = TopicWatch(Service.VAULT, topics.check)
    found = []
    for error in (
        None,
        BusConfigurationError("topic a: retention.ms=1000\ntopic b: cleanup.policy=compact"),
        BusConfigurationError("topic a: retention.ms=1000\ntopic b: cleanup.policy=compact"),
        BusUnavailableError("away"),
        BusConfigurationError("topic a: retention.ms=1000"),
        None,
        None,
    ):
        topics.error = error
        caplog.clear()
        watch.look()
        found.append([(record.levelno, record.getMessage()) for record in caplog.records])
    said = "vault: changed while running, events may be lost: topic "
    assert found == [
        [],
        [
            (logging.ERROR, f"{said}a: retention.ms=1000"),
            (logging.ERROR, f"{said}b: cleanup.policy=compact"),
        ],
        [],
        [],
        [(logging.ERROR, f"{said}a: retention.ms=1000")],
        [(logging.WARNING, "vault: the topics are set up as expected again")],
        [],
    ]
