"""The event catalogue: one class an event, past tense, the noun of the spec. Spec: events.md.

``fields`` what a body is made of · ``body`` what makes it an event · ``auth devices vault rotation`` the
catalogue. The record that carries a body on the bus is ``solekey_protocol.event``.
"""

from solekey_protocol.events import auth, devices, rotation, vault
from solekey_protocol.events.body import BODIES, Body, Signer
from solekey_protocol.services import Stream

__all__ = ["BODIES", "Body", "Signer", "Stream", "auth", "devices", "rotation", "vault"]
