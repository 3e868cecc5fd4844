"""The protocol's error tree. Each error has a stable snake_case ``code`` that travels over HTTP.

::

    ProtocolError
    ├── MalformedError          malformed             bytes that are not what the format says
    │   ├── SchemaError         schema_violation      well-formed, but outside the closed schema
    │   └── UnsupportedError    unsupported_format    a format version, suite or kind that this release lacks
    ├── ChainError              chain_broken          an event that does not continue its stream
    │   ├── GapError            sequence_gap          an event is missing before this one
    │   └── ForkError           chain_fork            two events claim the same place
    ├── SignatureError          signature_invalid     a signature does not verify
    ├── UntrustedDeviceError    untrusted_device      the signer is unknown, pending or revoked
    └── TransitionError         transition_refused    a signed, chained event that breaks a stream's rules
        └── LineageError        (the rule's code)     what the other streams do not bear out (lineage.md §3)

Spec: conventions.md §6.
"""


class ProtocolError(Exception):
    """Base of everything that the verifier refuses."""

    code: str = "protocol_error"


class MalformedError(ProtocolError):
    """Bytes that are not what the format says."""

    code = "malformed"


class SchemaError(MalformedError):
    """A well-formed document outside its closed schema."""

    code = "schema_violation"


class UnsupportedError(MalformedError):
    """A format version, suite or kind that this release does not know."""

    code = "unsupported_format"


class ChainError(ProtocolError):
    """An event that does not continue its stream."""

    code = "chain_broken"


class GapError(ChainError):
    """At least one event is missing before this one."""

    code = "sequence_gap"


class ForkError(ChainError):
    """Two different events claim the same place in a stream."""

    code = "chain_fork"


class SignatureError(ProtocolError):
    """A signature that does not verify under the key that must have made it."""

    code = "signature_invalid"


class UntrustedDeviceError(ProtocolError):
    """The signer is unknown, pending or revoked at the position that it claims."""

    code = "untrusted_device"


class TransitionError(ProtocolError):
    """A signed, chained event that breaks a rule of its stream."""

    code = "transition_refused"


class LineageError(TransitionError):
    """A statement that the other streams, at the heads it claims, do not bear out. Spec: lineage.md §3.

    Attributes:
        code: the rule that is broken, such as ``rotation_incomplete``.
        wraps: the wraps that are the reason, as (secret, epoch, wrap version).
    """

    code = "lineage_refused"

    def __init__(self, code: str, detail: str, *, wraps: tuple[tuple[str, int, int], ...] = ()) -> None:
        super().__init__(detail)
        self.code = code
        self.wraps = wraps
