"""Decides what may be said in the devices stream; the state is the protocol's own fold. Spec: devices.md §3.

Pure: no clock, no storage, no network. ``DevicesStream`` holds the trust rules that the auditor checks too;
added here is what only the service sees: the name behind a commitment.
"""

from solekey_devices.commands import Command, DeviceName, EnrolDevice, FoundAccount
from solekey_devices.refusals import NameRefused
from solekey_protocol.events.devices import DeviceCertificate
from solekey_protocol.statements import SignedStatement
from solekey_protocol.streams import DevicesStream


def decide(state: DevicesStream, command: Command) -> list[SignedStatement]:
    """Decide what a command adds to the stream: its statement, once everything about it holds.

    Raises:
        SignatureError, UntrustedDeviceError, TransitionError: see DevicesStream.verify_next.
        NameRefused: the certificate commits to another name.
    """
    state.verify_next(command.signed)
    if isinstance(command, FoundAccount | EnrolDevice):
        _verify_name(command.name, command.certificate)
    return [command.signed]


def _verify_name(name: DeviceName, certificate: DeviceCertificate) -> DeviceName:
    if name.derive_commitment(certificate.device) != certificate.name_commitment:
        raise NameRefused("the certificate commits to another name or salt")
    return name
