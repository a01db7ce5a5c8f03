"""Severity levels and their spellings."""

from __future__ import annotations

import pytest

from transforms.levels import (
    SPELLINGS,
    Level,
    level_from_letter,
    level_from_number,
    level_from_open_telemetry_number,
    level_from_python_number,
    level_from_syslog_severity,
    level_from_text,
)

APACHE = "emerg alert crit error warn notice info debug trace1 trace2 trace8"
APACHE_LEVELS = [
    Level.EMERGENCY,
    Level.ALERT,
    Level.CRITICAL,
    Level.ERROR,
    Level.WARN,
    Level.NOTICE,
    Level.INFO,
    Level.DEBUG,
    Level.TRACE,
    Level.TRACE,
    Level.TRACE,
]


def test_levels_have_an_order() -> None:
    """A worse level is greater."""
    names = "TRACE DEBUG INFO NOTICE WARN ERROR CRITICAL ALERT EMERGENCY"

    assert names.split() == [level.name for level in sorted(Level)]


def test_apache_and_syslog_agree() -> None:
    """Apache's words, worst first, are syslog's severities from 0 to 7."""
    assert APACHE_LEVELS == [level_from_text(word) for word in APACHE.split()]
    assert APACHE_LEVELS[:8] == [level_from_syslog_severity(number) for number in range(8)]
    assert [None, None] == [level_from_syslog_severity(number) for number in (-1, 8)]


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("ERROR", Level.ERROR),
        ("error", Level.ERROR),
        ("Error", Level.ERROR),
        ("eRrOr", Level.ERROR),
        (" ERROR ", Level.ERROR),
        ("WARN\t", Level.WARN),
        ("WARNING", Level.WARN),
        ("err", Level.ERROR),
        ("SEVERE", Level.ERROR),
        ("FATAL", Level.CRITICAL),
        ("CRITICAL", Level.CRITICAL),
        ("panic", Level.CRITICAL),
        ("dpanic", Level.CRITICAL),
        ("fatal", Level.CRITICAL),
        ("FINEST", Level.TRACE),
        ("Information", Level.INFO),
        ("DEFAULT", None),
        ("ERRORS", None),
        ("E", None),
        ("3", None),
        ("", None),
        ("  ", None),
        ("error" * 1000, None),
        ("größer", None),
    ],
)
def test_words_in_text_and_bytes(text: str, level: Level | None) -> None:
    """Case and padding do not matter, and bytes are read as text is."""
    assert (level, level) == (level_from_text(text), level_from_text(text.encode("utf-8")))


def test_no_word_has_two_levels() -> None:
    """Every spelling stands for one level."""
    words = [word for spellings in SPELLINGS.values() for word in spellings]

    assert sorted(words) == sorted(set(words))


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (0, Level.EMERGENCY),
        (3, Level.ERROR),
        (7, Level.DEBUG),
        (8, None),
        (9, None),
        (10, Level.TRACE),
        (20, Level.DEBUG),
        (30, Level.INFO),
        (35, Level.INFO),
        (40, Level.WARN),
        (50, Level.ERROR),
        (60, Level.CRITICAL),
        (70, None),
        (99, None),
        (100, Level.DEBUG),
        (400, Level.WARN),
        (500, Level.ERROR),
        (800, Level.EMERGENCY),
        (900, None),
        (-1, None),
        (50.0, Level.ERROR),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
    ],
)
def test_numbers_are_told_apart_by_their_size(number: float, level: Level | None) -> None:
    """syslog's, pino's and Google Cloud's numbers do not overlap."""
    assert level == level_from_number(number)


def test_numbers_of_python_and_open_telemetry_have_tables_of_their_own() -> None:
    """40 is an error for Python and a warning for pino."""
    python = [level_from_python_number(number) for number in (0, 10, 25, 40, 50, 60)]
    telemetry = [level_from_open_telemetry_number(number) for number in (0, 1, 9, 17, 24, 25)]

    assert [None, Level.DEBUG, Level.INFO, Level.ERROR, Level.CRITICAL, None] == python
    assert [None, Level.TRACE, Level.INFO, Level.ERROR, Level.CRITICAL, None] == telemetry


def test_single_letters() -> None:
    """Formats that write one letter have their own question."""
    letters = [level_from_letter(letter) for letter in ("E", "w", "F", "x", "")]

    assert [Level.ERROR, Level.WARN, Level.CRITICAL, None, None] == letters
