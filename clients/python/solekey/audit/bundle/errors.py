"""Why a bundle cannot be read. None of these is a verdict: a damaged copy is told from tampering."""

from solekey.audit.sources.errors import LogError


class BundleError(LogError):
    """A bundle is not of this format, or breaks its limits."""

    code = "bundle_malformed"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "Have the bundle exported again; a reader accepts nothing beyond spec/audit-bundle.md."


class BundleTruncatedError(BundleError):
    """A file of a bundle ends too early, or is missing: a copy that was interrupted."""

    code = "bundle_truncated"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "Copy the bundle again, and compare the digest of manifest.json with the exporter's."


class BundleTrailingError(BundleError):
    """Behind the end of a file of a bundle there are more bytes."""

    code = "bundle_trailing_bytes"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "Copy the bundle again as binary files; nothing may be appended."


class BundleUnfinishedError(BundleError):
    """An export that was interrupted: there is no manifest yet."""

    code = "bundle_unfinished"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "Run the same `solekey audit export` again: it goes on where it was interrupted."


class BundleContinuesError(BundleError):
    """A bundle that holds only what is new since another one, which was not given, or not in order."""

    code = "bundle_continues"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return (
            "Give all bundles in their order to solekey audit verify: from the first one on, or, with "
            "--archive, from the one on that follows the last of the archive."
        )
