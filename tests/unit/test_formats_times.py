"""Times as log lines write them."""

from __future__ import annotations

import datetime
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.log_lines import REFERENCE_MS, at
from transforms.formats import LOG_FORMATS, LineParser
from transforms.formats.times import time_zone, to_ms

UTC = datetime.timezone.utc
BERLIN = time_zone("Europe/Berlin")
TEN = "2024-05-01 10:00:00"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-01T10:00:00Z", TEN),
        ("2024-05-01t10:00:00z", TEN),
        ("2024-05-01T10:00Z", TEN),
        ("2024-05-01T10:00:00.1Z", "2024-05-01 10:00:00.100"),
        ("2024-05-01T10:00:00.12Z", "2024-05-01 10:00:00.120"),
        ("2024-05-01T10:00:00.123999999Z", "2024-05-01 10:00:00.123"),
        ("2024-05-01 10:00:00,123", "2024-05-01 10:00:00.123"),
        ("2024-05-01 10:00:00.123456", "2024-05-01 10:00:00.123"),
        ("2024/05/01 10:00:00", TEN),
        ("2024-05-01, 10:00:00 UTC", TEN),
        ("2024-05-01T12:00:00+02:00", TEN),
        ("2024-05-01T12:00:00+0200", TEN),
        ("2024-05-01T12:00:00+02", TEN),
        ("2024-05-01T04:30:00-05:30", TEN),
        ("  2024-05-01T10:00:00Z ", TEN),
        ("Wed May 01 10:00:00 2024", TEN),
        ("Wed May  1 10:00:00 2024", TEN),
        ("Wed May 01 10:00:00.123456 2024", "2024-05-01 10:00:00.123"),
        ("Wed May 01 10:00:00 UTC 2024", TEN),
        ("01/May/2024:10:00:00 +0000", TEN),
        ("10/Oct/2000:13:55:36 -0700", "2000-10-10 20:55:36"),
        ("Wed, 01 May 2024 10:00:00 GMT", TEN),
        ("01 May 2024 10:00:00,123", "2024-05-01 10:00:00.123"),
        ("24/05/01 10:00:00", TEN),
        ("0501 10:00:00.123456", "2024-05-01 10:00:00.123"),
        ("May  1 10:00:00", TEN),
        ("10:00:00.123", "2024-05-01 10:00:00.123"),
        ("1714557600", TEN),
        ("1714557600.5", "2024-05-01 10:00:00.500"),
        ("1714557600123", "2024-05-01 10:00:00.123"),
        ("1714557600123456", "2024-05-01 10:00:00.123"),
        ("1714557600123456789", "2024-05-01 10:00:00.123"),
        ("2016-12-31T23:59:60Z", "2017-01-01 00:00:00"),
        ("2024-02-29T00:00:00Z", "2024-02-29 00:00:00"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31 23:59:59.999"),
    ],
)
def test_forms(text: str, expected: str) -> None:
    """All forms, as text and as bytes; digits beyond milliseconds are cut."""
    found = (to_ms(text, UTC, REFERENCE_MS), to_ms(text.encode(), UTC, REFERENCE_MS))

    assert (at(expected), at(expected)) == found


@pytest.mark.parametrize(
    "value",
    [
        "",
        "now",
        "2024-05-01",
        "2024-13-01T10:00:00Z",
        "2024-02-30T10:00:00Z",
        "2023-02-29T10:00:00Z",
        "2024-05-01T24:00:00Z",
        "2024-05-01T10:60:00Z",
        "2024-05-01T10:00:61Z",
        "2024-05-01T10:00:00+24:00",
        "2024-05-01T10:00:00+02:00 and more",
        "0000-01-01T00:00:00Z",
        "Foo 01 10:00:00",
        "May 32 10:00:00",
        "25:00:00",
        "-1",
        "1e9",
        "٢٠٢٤-05-01T10:00:00Z",
        "9" * 30,
        "x" * 100,
        -1,
        10**400,
        float("nan"),
        float("inf"),
        True,
        None,
        [],
        {},
    ],
)
def test_what_is_no_time(value: object) -> None:
    """Impossible dates, prose and values of other types are no times."""
    assert to_ms(value, UTC, REFERENCE_MS) is None


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "1970-01-01 00:00:00"),
        (1714557600, TEN),
        (1714557600.123, "2024-05-01 10:00:00.123"),
        (1714557600.1239, "2024-05-01 10:00:00.123"),
        (1714557600123, "2024-05-01 10:00:00.123"),
        (1714557600123.9, "2024-05-01 10:00:00.123"),
        (1714557600123456, "2024-05-01 10:00:00.123"),
        (1714557600123456789, "2024-05-01 10:00:00.123"),
    ],
)
def test_epoch_numbers(number: float, expected: str) -> None:
    """The size of a number tells seconds, milliseconds, microseconds and nanoseconds apart."""
    assert at(expected) == to_ms(number, UTC, REFERENCE_MS)


@pytest.mark.parametrize(
    ("text", "read_at", "expected"),
    [
        ("Dec 31 23:59:59", "2024-01-01 00:00:01", "2023-12-31 23:59:59"),
        ("Jan  1 00:00:01", "2023-12-31 23:59:59", "2024-01-01 00:00:01"),
        ("Jul  1 00:00:00", "2024-06-30 00:00:00", "2024-07-01 00:00:00"),
        ("Nov  1 00:00:00", "2024-04-01 00:00:00", "2023-11-01 00:00:00"),
        ("Feb 29 10:00:00", "2024-03-01 00:00:00", "2024-02-29 10:00:00"),
        ("Feb 29 10:00:00", "2025-03-01 00:00:00", "2024-02-29 10:00:00"),
        ("1231 23:59:59", "2024-01-01 00:00:01", "2023-12-31 23:59:59"),
        ("23:59:59.999", "2024-05-01 00:00:01", "2024-04-30 23:59:59.999"),
        ("00:00:00.001", "2024-04-30 23:59:59", "2024-05-01 00:00:00.001"),
        ("11:59:59", "2024-05-01 12:00:00", "2024-05-01 11:59:59"),
        ("23:59:59", "2024-01-01 00:00:01", "2023-12-31 23:59:59"),
    ],
)
def test_missing_years_and_dates(text: str, read_at: str, expected: str) -> None:
    """A year or a date that is not written is the one nearest to the reference."""
    assert at(expected) == to_ms(text, UTC, at(read_at))


@pytest.mark.parametrize(
    ("text", "read_at", "expected"),
    [
        # Winter and summer.
        ("2024-01-15 12:00:00", "2024-01-15 11:00:00", "2024-01-15 11:00:00"),
        ("2024-07-15 12:00:00", "2024-07-15 11:00:00", "2024-07-15 10:00:00"),
        # 27 October 2024: 03:00 is set back to 02:00, so 02:30 comes twice.
        ("2024-10-27 01:59:59", "2024-10-27 00:00:00", "2024-10-26 23:59:59"),
        ("2024-10-27 02:30:00", "2024-10-27 00:31:00", "2024-10-27 00:30:00"),
        ("2024-10-27 02:30:00", "2024-10-27 01:31:00", "2024-10-27 01:30:00"),
        ("2024-10-27 03:00:00", "2024-10-27 00:31:00", "2024-10-27 02:00:00"),
        # 31 March 2024: 02:00 is set forward to 03:00, so there is no 02:30.
        ("2024-03-31 01:59:59", "2024-03-31 01:00:00", "2024-03-31 00:59:59"),
        ("2024-03-31 02:30:00", "2024-03-31 01:00:00", "2024-03-31 01:30:00"),
        ("2024-03-31 03:00:00", "2024-03-31 01:00:00", "2024-03-31 01:00:00"),
        # The date is the one in Berlin.
        ("00:30:00", "2024-05-01 22:31:00", "2024-05-01 22:30:00"),
        ("Jan  1 00:30:00", "2023-12-31 23:31:00", "2023-12-31 23:30:00"),
        # A written zone counts.
        ("2024-07-15T12:00:00Z", "2024-07-15 11:00:00", "2024-07-15 12:00:00"),
        ("2024-07-15T12:00:00+01:00", "2024-07-15 11:00:00", "2024-07-15 11:00:00"),
        ("Mon Jul 15 12:00:00 UTC 2024", "2024-07-15 11:00:00", "2024-07-15 12:00:00"),
        ("15/Jul/2024:12:00:00 +0000", "2024-07-15 11:00:00", "2024-07-15 12:00:00"),
    ],
)
def test_a_zone_with_summer_time(text: str, read_at: str, expected: str) -> None:
    """Times without a zone are Berlin's; of two moments, the one nearer to the reference."""
    assert at(expected) == to_ms(text, BERLIN, at(read_at))


@given(st.datetimes(timezones=st.just(UTC)), st.sampled_from(["T", " "]))
def test_iso_times_are_read_as_python_reads_them(moment: datetime.datetime, separator: str) -> None:
    """Any moment of the years 1 to 9999, to the millisecond."""
    epoch = datetime.datetime(1970, 1, 1, tzinfo=UTC)
    text = moment.isoformat(separator)

    assert (moment - epoch) // datetime.timedelta(milliseconds=1) == to_ms(text, UTC, 0)


@given(st.text(max_size=40) | st.integers() | st.floats(), st.integers())
def test_no_value_makes_it_raise(value: object, reference_ms: int) -> None:
    """Whatever is in a line, and whenever it is read."""
    found = to_ms(value, BERLIN, reference_ms)

    assert found is None or isinstance(found, int)


def test_the_parser_takes_a_zone() -> None:
    """`time_zone` is for formats without one."""
    line = b"[Wed May 01 12:00:00 2024] [error] x"

    found = [LineParser(time_zone=name).time_of(line, REFERENCE_MS) for name in ("Europe/Berlin",)]
    assert [at(TEN)] == found


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd", "/etc/passwd", "a\0b"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    """At construction, before any line is read."""
    with pytest.raises(ValueError, match="unknown time zone"):
        LineParser(time_zone=name)


def test_an_unknown_format_is_refused() -> None:
    """And the known ones are told."""
    with pytest.raises(ValueError, match="unknown log format 'xml', known are auto, plain"):
        LineParser("xml")


@pytest.mark.parametrize("log_format", LOG_FORMATS)
def test_parsers_survive_the_way_to_a_worker(log_format: str) -> None:
    """A parser is pickled into the job and works as before."""
    parser = LineParser(log_format, "Europe/Berlin")
    copy = pickle.loads(pickle.dumps(parser))
    line = b"[Wed May 01 12:00:00 2024] [error] x"

    assert (parser, parser.parse(line, 0)) == (copy, copy.parse(line, 0))
