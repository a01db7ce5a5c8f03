"""What a broker's log says of a failure, and the errors that tell it."""

from __future__ import annotations

import os
import pathlib
import re
import signal

from pipeline.errors import ServiceError
from transforms.escape import escape_terminal

_LOG_BYTES = 256 * 1024
_REASON_COLUMNS = 300
_EXCEPTION = re.compile(rb"(?:[\w$]+\.)+\w*(?:Exception|Error)\b.*")


def log_size(log_path: pathlib.Path) -> int:
    """Bytes in a log, 0 if it is not there: what a start adds begins here."""
    return log_path.stat().st_size if log_path.exists() else 0


def failure_reason(log_path: pathlib.Path, start: int) -> str:
    """Why a JVM failed, from what it wrote from byte `start` on: one line, safe to print.

    That is the last exception (of nested ones the cause), else the last line with ERROR in
    it; empty if there is neither.
    """
    try:
        with open(log_path, "rb") as log:
            log.seek(max(start, log.seek(0, os.SEEK_END) - _LOG_BYTES))
            # Lines of a stack trace begin with a tab, and name classes too.
            lines = [line for line in log.read().splitlines() if not line.startswith(b"\t")]
    except OSError:
        return ""
    exceptions = [match[0] for line in lines if (match := _EXCEPTION.search(line))]
    errors = [line for line in lines if b"ERROR" in line]
    chosen = (exceptions or errors or [b""])[-1]
    return escape_terminal(chosen, _REASON_COLUMNS).rstrip(". ")


def ended_error(exit_code: int, log_path: pathlib.Path, log_start: int) -> ServiceError:
    """The error for a JVM that ended before it could serve."""
    reason = failure_reason(log_path, log_start)
    if not reason:
        # Someone else's signal, the kernel's included when memory runs out.
        by_signal = signal.strsignal(-exit_code) if exit_code < 0 else None
        reason = by_signal or f"exit code {exit_code}"
    return ServiceError(f"kafka: the broker ended while starting: {reason}. Log: {log_path}")


def timeout_error(log_path: pathlib.Path, log_start: int) -> ServiceError:
    """The error for a JVM that is not done in time."""
    reason = failure_reason(log_path, log_start)
    shown = f": {reason}" if reason else ""
    return ServiceError(f"kafka: the broker did not answer in time{shown}. Log: {log_path}")
