"""From lines of stdin to records: keys, times and what is wrong with a line."""

from __future__ import annotations

import re

import pytest

from pipeline.errors import UsageError
from pipeline.local.kafka_produce import parse_time_ms, records_from_lines
from pipeline.local.produce import Record


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("1", 1),
        ("1450576000000", 1_450_576_000_000),
        ("1970-01-01T00:00:01Z", 1_000),
        ("2015-12-20T01:46:40Z", 1_450_576_000_000),
        ("2015-12-20t01:46:40z", 1_450_576_000_000),
        ("2015-12-20 01:46:40Z", 1_450_576_000_000),
        ("2015-12-20T02:46:40+01:00", 1_450_576_000_000),
        ("2015-12-19T20:16:40.5-05:30", 1_450_576_000_500),
        ("2015-12-20T01:46:40.1239999Z", 1_450_576_000_123),
    ],
)
def test_times_in_both_forms(text: str, time_ms: int) -> None:
    """Epoch milliseconds, or RFC 3339 with any fraction and zone."""
    assert time_ms == parse_time_ms(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "1.5",
        "now",
        "\u0661",
        "2015-12-20",
        "2015-12-20T01:46:40",
        "2015-13-20T01:46:40Z",
        "2015-12-20T25:46:40Z",
        "1970-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        " 2015-12-20T01:46:40Z",
    ],
)
def test_what_is_no_time(text: str) -> None:
    """A time without a zone is ambiguous; the epoch itself cannot be written."""
    with pytest.raises(ValueError, match=re.escape(f"not a time: {text!r}")):
        parse_time_ms(text)


def test_lines_become_values_as_they_are() -> None:
    """One newline is taken off; nothing is decoded, and empty lines are records."""
    lines = [b"one\n", b"\n", b"\xff\xfe\r\n", b" two \x00", b""]
    assert [
        Record(b"one"),
        Record(b""),
        Record(b"\xff\xfe\r"),
        Record(b" two \x00"),
        Record(b""),
    ] == list(records_from_lines(lines))


def test_key_time_and_partition() -> None:
    """The time comes first, then the key; the separator's first appearance counts."""
    lines = [b"1450576000000\tk::v::w\n", b"2015-12-20T01:46:41Z\t::\n"]
    assert [
        Record(b"v::w", key=b"k", timestamp_ms=1_450_576_000_000, partition=3),
        Record(b"", key=b"", timestamp_ms=1_450_576_001_000, partition=3),
    ] == list(records_from_lines(lines, key_separator=b"::", timestamp_prefix=True, partition=3))


def test_line_without_a_time_is_named_by_its_number() -> None:
    """The lines before it have been handed on."""
    records = records_from_lines([b"1\ta\n", b"yesterday\tb\n"], timestamp_prefix=True)
    assert Record(b"a", timestamp_ms=1) == next(records)
    with pytest.raises(UsageError) as caught:
        next(records)
    assert (
        "--timestamp_prefix: line 2 does not begin with a time and a tab, got b'yesterday'. "
        "Give epoch milliseconds or RFC 3339."
    ) == str(caught.value)


def test_line_without_a_separator_is_named_by_its_number() -> None:
    """A long line is shown by its beginning."""
    records = records_from_lines([b"x" * 100], key_separator=b":")
    with pytest.raises(UsageError) as caught:
        next(records)
    assert (
        f"--key_separator: not in line 1, got b'{'x' * 40}'. "
        "Give each line a key, or choose another separator."
    ) == str(caught.value)
