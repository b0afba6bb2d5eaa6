"""How a command ends: one sentence that says where, what and what to do, and an exit code.

Errors of qsmstats carry their own sentence and code. What the system reports (a full disk, a
folder that may not be written, a pipe whose reader has gone, Ctrl-C) gets its sentence here.
Any other exception is an error in qsmstats: its traceback is shown, with a code that nothing
else has.
"""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Callable

from qsmstats.errors import QsmstatsError, UsageError
from qsmstats.progress import discard, say

__all__ = ["FAULT", "INTERRUPTED", "PIPE_CLOSED", "ended"]

INTERRUPTED = 128 + 2
"""Ctrl-C, as a shell reports the signal SIGINT."""
PIPE_CLOSED = 128 + 13
"""Standard output was closed by its reader, as a shell reports the signal SIGPIPE."""
FAULT = 70
"""An error in qsmstats; EX_SOFTWARE of sysexits.h."""

_REMEDIES = {
    errno.ENOSPC: "free some space, then start the same command again: it goes on where it stopped",
    errno.EDQUOT: "free some space, then start the same command again: it goes on where it stopped",
    errno.EACCES: "choose another folder, or ask its owner for the right",
    errno.EPERM: "choose another folder, or ask its owner for the right",
    errno.EROFS: "choose a folder on a disk that can be written",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "a file stands where a folder is needed; remove it or choose another folder",
    errno.EEXIST: "a file stands where a folder is needed; remove it or choose another folder",
    errno.EISDIR: "a folder stands where a file is needed; remove it or choose another folder",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "allow more open files (ulimit -n)",
}


def ended(call: Callable[[], int], place: object, *, parallel: bool = False) -> int:
    """Run a command and return its exit code; say why it ended early, where it did.

    Parameters
    ----------
    call
        The command; returns its exit code.
    place
        Folder that the command writes to, or reads: the place of a system error without a file.
    parallel
        Whether fewer processes (--jobs) would need less memory.
    """
    try:
        code = call()
        sys.stdout.flush()  # what cannot be written shows here, not after the exit code is given
    except QsmstatsError as error:
        say(str(error), "problem")
        return error.exit_code
    except KeyboardInterrupt:
        say("interrupted; start the same command again: no file is incomplete", "problem")
        return INTERRUPTED
    except BrokenPipeError:
        discard(sys.stdout)
        return PIPE_CLOSED
    except (OSError, MemoryError) as error:
        where = getattr(error, "filename2", None) or getattr(error, "filename", None) or place
        number = getattr(error, "errno", None) or 0
        if isinstance(error, MemoryError) or number == errno.ENOMEM:
            remedy = "use a machine with more memory"
            remedy = f"lower --jobs where it is above 1, or {remedy}" if parallel else remedy
            say(f"{where}: memory ran out; {remedy}", "problem")
        else:
            remedy = _REMEDIES.get(number, "check the disk and the path, then try again")
            say(f"{where}: {error.strerror or error}; {remedy}", "problem")
        return UsageError.exit_code
    except Exception:
        say(traceback.format_exc(), "problem")
        report = "this is an error in qsmstats, not in your data; please report the lines above"
        say(report, "problem")
        return FAULT
    return code
