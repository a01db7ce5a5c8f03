"""Severity levels: one order for the many spellings that programs write.

| level | spellings, in any case and padded |
|---|---|
| TRACE | trace, trace1 to trace8, finest, verbose, silly, trc, vrb |
| DEBUG | debug, debug1 to debug5, fine, finer, dbug, dbg |
| INFO | info, information, informational, config, log, success, inf |
| NOTICE | notice |
| WARN | warn, warning, wrn |
| ERROR | error, err, severe, fail, failure, eror |
| CRITICAL | critical, crit, fatal, panic, dpanic, ftl, pnc |
| ALERT | alert |
| EMERGENCY | emergency, emerg |

The order and the names from NOTICE up are syslog's. FATAL is CRITICAL: a program that cannot
go on is worse than an error and no state of the whole machine, which is what ALERT and
EMERGENCY mean. The same holds for Go's panic, which loggers there put below fatal. SEVERE of
java.util.logging is ERROR, as its bridge to SLF4J has it.
"""

from __future__ import annotations

import enum


class Level(enum.IntEnum):
    """How bad it is; a higher number is worse."""

    TRACE = 1
    DEBUG = 2
    INFO = 3
    NOTICE = 4
    WARN = 5
    ERROR = 6
    CRITICAL = 7
    ALERT = 8
    EMERGENCY = 9


SPELLINGS: dict[Level, tuple[str, ...]] = {
    Level.TRACE: (
        "trace",
        *(f"trace{number}" for number in range(1, 9)),
        "finest",
        "verbose",
        "silly",
        "trc",
        "vrb",
    ),
    Level.DEBUG: (
        "debug",
        *(f"debug{number}" for number in range(1, 6)),
        "fine",
        "finer",
        "dbug",
        "dbg",
    ),
    Level.INFO: ("info", "information", "informational", "config", "log", "success", "inf"),
    Level.NOTICE: ("notice",),
    Level.WARN: ("warn", "warning", "wrn"),
    Level.ERROR: ("error", "err", "severe", "fail", "failure", "eror"),
    Level.CRITICAL: ("critical", "crit", "fatal", "panic", "dpanic", "ftl", "pnc"),
    Level.ALERT: ("alert",),
    Level.EMERGENCY: ("emergency", "emerg"),
}

# The usual ways to write a word, so that most look-ups are one access to a dict.
LEVEL_OF_TEXT: dict[str, Level] = {
    form: level
    for level, words in SPELLINGS.items()
    for word in words
    for form in (word, word.upper(), word.capitalize())
}
# Apart from the one above: text and bytes do not mix as keys under `python -bb`.
LEVEL_OF_BYTES: dict[bytes, Level] = {
    text.encode("ascii"): level for text, level in LEVEL_OF_TEXT.items()
}

_LETTERS = {
    "T": Level.TRACE,
    "V": Level.TRACE,
    "D": Level.DEBUG,
    "I": Level.INFO,
    "N": Level.NOTICE,
    "W": Level.WARN,
    "E": Level.ERROR,
    "F": Level.CRITICAL,
    "C": Level.CRITICAL,
    "A": Level.ALERT,
}

_SYSLOG = (
    Level.EMERGENCY,
    Level.ALERT,
    Level.CRITICAL,
    Level.ERROR,
    Level.WARN,
    Level.NOTICE,
    Level.INFO,
    Level.DEBUG,
)
_PINO = (Level.TRACE, Level.DEBUG, Level.INFO, Level.WARN, Level.ERROR, Level.CRITICAL)
_GOOGLE = (
    Level.DEBUG,
    Level.INFO,
    Level.NOTICE,
    Level.WARN,
    Level.ERROR,
    Level.CRITICAL,
    Level.ALERT,
    Level.EMERGENCY,
)
_PYTHON = (Level.DEBUG, Level.INFO, Level.WARN, Level.ERROR, Level.CRITICAL)
_OPEN_TELEMETRY = _PINO

# The longest spelling with some padding; longer texts are no level, and not worth a copy.
_MAX_TEXT = 64


def level_from_text(text: str | bytes) -> Level | None:
    """The level that a word names, in any case and padded; None for an unknown word."""
    if isinstance(text, bytes):
        level = LEVEL_OF_BYTES.get(text)
        if level is None and len(text) <= _MAX_TEXT:
            level = LEVEL_OF_BYTES.get(text.strip().lower())
        return level
    level = LEVEL_OF_TEXT.get(text)
    if level is None and len(text) <= _MAX_TEXT:
        level = LEVEL_OF_TEXT.get(text.strip().lower())
    return level


def level_from_letter(letter: str) -> Level | None:
    """The level of one letter, as glog, logcat and MongoDB write it; for such formats only."""
    return _LETTERS.get(letter.upper())


def level_from_syslog_severity(severity: int) -> Level | None:
    """The level of syslog's severity, 0 (emergency) to 7 (debug)."""
    return _SYSLOG[severity] if 0 <= severity < len(_SYSLOG) else None


def level_from_number(number: float) -> Level | None:
    """The level of a number whose origin is told by its size.

    0 to 7 are syslog's severities (GELF, journald), 10 to 69 those of pino and bunyan (50 is an
    error; numbers between two levels belong to the lower one), 100 to 899 Google Cloud's (500 is
    an error). Python's numbers (40 is an error) cannot be told from pino's; Python's loggers
    write names, and its own numbers only in a field `levelno`: `level_from_python_number`.
    """
    if not 0 <= number < 900:
        return None
    whole = int(number)
    if whole < 8:
        return _SYSLOG[whole]
    if whole < 10:
        return None
    if whole < 70:
        return _PINO[whole // 10 - 1]
    return _GOOGLE[whole // 100 - 1] if whole >= 100 else None


def level_from_python_number(number: float) -> Level | None:
    """The level of a number of Python's `logging`: 10 is DEBUG, 40 is ERROR, 50 is CRITICAL."""
    return _PYTHON[int(number) // 10 - 1] if 10 <= number < 60 else None


def level_from_open_telemetry_number(number: float) -> Level | None:
    """The level of OpenTelemetry's SeverityNumber: 1 to 24 in six steps of four, 17 is ERROR."""
    return _OPEN_TELEMETRY[(int(number) - 1) // 4] if 1 <= number < 25 else None
