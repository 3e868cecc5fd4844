"""Verifies the name behind a commitment, which only the devices service sees. Spec: devices.md §3.

Pure: no clock, no storage, no network. The trust rules are those of ``DevicesStream``, which the auditor
checks too.
"""

from solekey_devices.device_name import DeviceName
from solekey_devices.refusals import NameRefused
from solekey_protocol.events.devices import AccountFounded, DeviceEnrolled
from solekey_protocol.statements import Statement


def verify_name(name: DeviceName | None, statement: Statement) -> Statement:
    """Verify that a statement which certifies a new device comes with the name that it commits to.

    Raises:
        NameRefused: the name is missing or another one, or the statement takes none.
    """
    body = statement.body
    if not isinstance(body, AccountFounded | DeviceEnrolled):
        if name is not None:
            raise NameRefused(f"{body.TYPE} takes no name")
        return statement
    certificate = body.certificate
    if name is None or name.derive_commitment(certificate.device) != certificate.name_commitment:
        raise NameRefused("the certificate commits to another name or salt")
    return statement
