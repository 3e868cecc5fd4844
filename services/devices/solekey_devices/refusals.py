"""What the devices service refuses beyond the rules of its stream. Spec: devices.md §8."""

from solekey_service.refusals import Unprocessable


class NameRefused(Unprocessable):
    """A device's name is missing, superfluous, malformed, or not the one that was committed to."""

    code, title = "name_refused", "The device's name was refused"
