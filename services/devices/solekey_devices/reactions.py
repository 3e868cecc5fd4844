"""What the devices service does when others' events arrive: nothing.

It follows ``auth`` only to admit requests: token keys and open sessions are read from that stream.
"""

from collections.abc import Mapping

from solekey_eventlog.kernel import Kernel
from solekey_eventlog.projector import Reaction
from solekey_protocol.events import Body


def derive_reactions(kernel: Kernel) -> Mapping[type[Body], Reaction]:  # noqa: ARG001 - the same signature in every service
    """Derive the reactions of a running service."""
    return {}
