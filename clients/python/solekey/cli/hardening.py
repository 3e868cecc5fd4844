"""What the program asks of the operating system before a key is in its memory.

Only the command does this: a library has no business with its application's process. What it does not ask
for, and why: docs/decisions/0023-memory-and-disk.md.
"""

import sys
from typing import Final

PR_SET_DUMPABLE: Final = 4  # linux/prctl.h


def forbid_core_dumps() -> None:
    """Keep this process out of core dumps and, on Linux, out of the reach of debuggers of the same user.

    A core dump is the one place where a crash writes keys to a disk. Where the kernel pipes cores to a
    program, the size limit alone does not hold; a process that is not dumpable is left out there, too.
    Does nothing where the operating system knows neither.
    """
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
