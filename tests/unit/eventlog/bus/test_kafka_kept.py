"""A client is kept for the next question, lent to one caller at a time, and thrown away once it failed."""

import pytest
from kafka.errors import KafkaConnectionError

from solekey_eventlog.bus.kafka_kept import KeptClient


class Client:
    """A client that may have lost its connection."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_closed = False
        self.is_lost = False

    def answer(self) -> int:
        if self.is_lost:
            raise KafkaConnectionError
        return self.number

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def opened() -> list[Client]:
    return []


@pytest.fixture
def kept(opened: list[Client]) -> KeptClient:
    def open_client() -> Client:
        opened.append(Client(len(opened)))
        return opened[-1]

    return KeptClient(open_client)


def test_one_client_answers_all_questions(kept: KeptClient, opened: list[Client]) -> None:
    assert [kept.ask(Client.answer) for _ in range(3)] == [0, 0, 0]
    assert not opened[0].is_closed
    kept.close()
    assert opened[0].is_closed


def test_who_comes_meanwhile_is_lent_one_of_his_own(kept: KeptClient, opened: list[Client]) -> None:
    with kept.lend() as first, kept.lend() as second:
        assert first is not second
    assert [client.is_closed for client in opened] == [True, False]  # one is enough


def test_one_that_was_kept_and_has_lost_its_connection_is_replaced(
    kept: KeptClient, opened: list[Client]
) -> None:
    kept.ask(Client.answer)
    opened[0].is_lost = True
    assert kept.ask(Client.answer) == 1
    assert opened[0].is_closed


def test_a_new_one_that_fails_is_not_asked_twice(kept: KeptClient, opened: list[Client]) -> None:
    def fail(_: Client) -> None:
        raise KafkaConnectionError

    with pytest.raises(KafkaConnectionError):
        kept.ask(fail)
    assert [client.is_closed for client in opened] == [True]


def test_one_in_whose_use_something_failed_is_not_kept(kept: KeptClient, opened: list[Client]) -> None:
    with pytest.raises(ZeroDivisionError), kept.lend():
        raise ZeroDivisionError
    kept.ask(Client.answer)
    assert [client.is_closed for client in opened] == [True, False]


def test_none_is_kept_after_the_end(kept: KeptClient, opened: list[Client]) -> None:
    with kept.lend():
        kept.close()
    assert [client.is_closed for client in opened] == [True]
