"""Becomes a program after leaving a pid file: `launch.py [--scratch FOLDER] PID_FILE PROGRAM ...`.

A supervisor starts services through it, by its path: only the standard library is imported,
so that it takes a few milliseconds. The pid file holds the number and nothing else, as
`kill $(cat FILE)` wants it. On Linux the program ends with its supervisor, so that none is
left running with nobody to look after it. A scratch folder is emptied first.
"""

from __future__ import annotations

import ctypes
import os
import pathlib
import shutil
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Writes the pid file and becomes the program; returns only by exception."""
    if argv[0] == "--scratch":
        shutil.rmtree(argv[1], ignore_errors=True)
        pathlib.Path(argv[1]).mkdir(parents=True)
        argv = argv[2:]
    pid_path, *command = argv
    if sys.platform == "linux":
        supervisor = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if supervisor != os.getppid():
            sys.exit("the supervisor ended")
    draft = pathlib.Path(f"{pid_path}.{os.getpid()}")
    draft.write_text(f"{os.getpid()}\n", encoding="ascii")
    draft.replace(pid_path)
    os.execvp(command[0], command)  # noqa: S606 - the program is what our caller asked for


if __name__ == "__main__":
    main(sys.argv[1:])
