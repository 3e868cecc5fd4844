"""Why an audit cannot go on from an archive. None of these is a verdict. Spec: audit.md §2.6."""

from solekey.audit.sources.errors import LogError


class ArchiveError(LogError):
    """An archive is no archive, or not as it was written: a part is missing, cut off or changed."""

    code = "archive_damaged"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "Take a copy of the archive that is whole, or begin another one with the whole log."


class ArchiveForeignError(ArchiveError):
    """What an archive says is signed by somebody else, or by nobody."""

    code = "archive_foreign"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return "Name the key that you have made the archive with, and trust no archive of somebody else's."


class ArchiveContinuesError(LogError):
    """A log that does not continue what an archive holds."""

    code = "archive_continues"

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return (
            "Export what is new with solekey audit export --since and the archive, or verify the whole log: "
            "only that shows whether anything of it was lost or rewritten."
        )
