"""The deployed services on real Kafka."""

from tests.system.revocation.town import town

__all__ = ["town"]
