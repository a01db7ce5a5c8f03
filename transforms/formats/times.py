"""Times as log lines write them, to milliseconds since the epoch.

What is missing in a text comes from outside: a time without a zone is in the zone that is given,
a time without year or date is the one nearest to a reference. Of the two moments that one time
names when clocks are set back, the one nearer to the reference counts; a time that clocks
skip when they are set forward is read as if they had not been. More digits than milliseconds
are cut.
"""

from __future__ import annotations

import datetime
import functools
import math
import re
import zoneinfo
from collections.abc import Iterable

_MAX_LENGTH = 64
_DAY_MS = 86_400_000
_EPOCH_ORDINAL = datetime.date(1970, 1, 1).toordinal()
# Years 1 to 9999, what `datetime` knows.
_MIN_MS = (1 - _EPOCH_ORDINAL) * _DAY_MS
_MAX_MS = (datetime.date(9999, 12, 31).toordinal() - _EPOCH_ORDINAL + 1) * _DAY_MS - 1

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}

_CLOCK = r"(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,30}))?"
_ZONE = r"(?: ?(Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?))?"
_ISO = re.compile(
    r"(\d{4})[-/.](\d\d)[-/.](\d\d)(?:[Tt _]|, ?)(\d\d):(\d\d)"
    r"(?::(\d\d)(?:[.,](\d{1,30}))?)?" + _ZONE,
    re.ASCII,
)
_NAMED = re.compile(
    r"(?:[A-Z][a-z]{2} )?([A-Z][a-z]{2}) {1,2}(\d{1,2}) "
    + _CLOCK
    + r"(?:(?: (UTC|GMT))? (\d{4}))?",
    re.ASCII,
)
_DAY_FIRST = re.compile(
    r"(?:[A-Z][a-z]{2}, )?(\d{1,2})[-/ ]([A-Z][a-z]{2})[-/ ](\d{4})[: ]" + _CLOCK + _ZONE, re.ASCII
)
_CLOCK_ONLY = re.compile(_CLOCK, re.ASCII)
_SHORT_YEAR = re.compile(r"(\d\d)/(\d\d)/(\d\d) " + _CLOCK, re.ASCII)
_MONTH_DAY = re.compile(r"(\d\d)(\d\d) " + _CLOCK, re.ASCII)
_NUMBER = re.compile(r"(\d{1,30})(?:\.(\d{1,30}))?", re.ASCII)


def time_zone(name: str) -> datetime.tzinfo:
    """The zone of a name such as `Europe/Berlin`.

    Raises:
      ValueError: there is none of this name on this machine.
    """
    if name.upper() == "UTC":
        # Also on machines without a database of time zones.
        return datetime.timezone.utc
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"unknown time zone {name!r}") from error


def to_ms(value: object, zone: datetime.tzinfo, reference_ms: int) -> int | None:
    """Milliseconds since the epoch of a text or a number; None if it is no time.

    Args:
      value: text or bytes in one of the forms that docs/formats.md lists, or a number (`epoch_ms`).
      zone: of times that name none.
      reference_ms: a moment near to it.
    """
    if isinstance(value, bytes):
        value = value[: _MAX_LENGTH + 1].decode("latin-1")
    if isinstance(value, str):
        return _text_to_ms(value, zone, reference_ms)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return epoch_ms(value)
    return None


def epoch_ms(number: float) -> int | None:
    """Milliseconds of an epoch number, whose unit is told by its size.

    Below 1e11 it is seconds (to the year 5138), below 1e14 milliseconds, below 1e17
    microseconds, above nanoseconds. None for negative ones and beyond the year 9999.
    """
    if not 0 <= number < 1e21:
        return None
    if number < 100_000_000_000:
        if isinstance(number, int):
            return number * 1000
        # A double has no exact millisecond; the small part keeps .123 from becoming .122.
        return math.floor(number * 1000 + 0.001)
    whole = int(number)
    if whole < 100_000_000_000_000:
        return whole
    found = whole // 1000 if whole < 100_000_000_000_000_000 else whole // 1_000_000
    return found if found <= _MAX_MS else None


def _text_to_ms(text: str, zone: datetime.tzinfo, reference_ms: int) -> int | None:
    text = text[: _MAX_LENGTH + 1].strip()
    if not text or len(text) > _MAX_LENGTH:
        return None
    if (match := _ISO.fullmatch(text)) is not None:
        seconds, fraction, written_zone = match.group(6, 7, 8)
        if written_zone is None:
            starts = _local_minute(text[:10] + text[match.start(4) :][:5], zone)
        else:
            starts = _local_minute(text[:10] + text[match.start(4) :][:5], datetime.timezone.utc)
        return _finish(starts, seconds, fraction, written_zone, reference_ms)
    if text[0].isalpha():
        return _named_to_ms(text, zone, reference_ms)
    if (match := _NUMBER.fullmatch(text)) is not None:
        return _number_text_to_ms(match[1], match[2])
    if (match := _CLOCK_ONLY.fullmatch(text)) is not None:
        hour, minute, second, fraction = match.groups()
        days = _days_around(reference_ms, zone)
        moments = (_finish(_local(*day, int(hour), int(minute), zone), second, fraction, None,
                           reference_ms) for day in days)  # fmt: skip
        return _nearest(moments, reference_ms)
    if (match := _DAY_FIRST.fullmatch(text)) is not None:
        day, name, year, hour, minute, second, fraction, written_zone = match.groups()
        used = zone if written_zone is None else datetime.timezone.utc
        month = _MONTHS.get(name, 0)
        starts = _local(int(year), month, int(day), int(hour), int(minute), used)
        return _finish(starts, second, fraction, written_zone, reference_ms)
    if (match := _SHORT_YEAR.fullmatch(text)) is not None:
        year, month_text, day, hour, minute, second, fraction = match.groups()
        starts = _local(2000 + int(year), int(month_text), int(day), int(hour), int(minute), zone)
        return _finish(starts, second, fraction, None, reference_ms)
    if (match := _MONTH_DAY.fullmatch(text)) is not None:
        month_text, day, hour, minute, second, fraction = match.groups()
        date = (int(month_text), int(day), int(hour), int(minute))
        return _nearest_year(date, second, fraction, zone, reference_ms)
    return None


def _named_to_ms(text: str, zone: datetime.tzinfo, reference_ms: int) -> int | None:
    match = _NAMED.fullmatch(text)
    if match is None:
        match = _DAY_FIRST.fullmatch(text)
        # `Wed, 01 May 2024 10:00:00 GMT`: without the weekday it starts with a digit.
        return None if match is None else _text_to_ms(text[5:], zone, reference_ms)
    name, day, hour, minute, second, fraction, written_zone, year = match.groups()
    date = (_MONTHS.get(name, 0), int(day), int(hour), int(minute))
    if year is None:
        return _nearest_year(date, second, fraction, zone, reference_ms)
    used = zone if written_zone is None else datetime.timezone.utc
    return _finish(_local(int(year), *date, used), second, fraction, None, reference_ms)


def _number_text_to_ms(whole: str, fraction: str | None) -> int | None:
    # Digit by digit: a double could not hold nanoseconds.
    found = epoch_ms(int(whole))
    if found is not None and fraction is not None and int(whole) < 100_000_000_000:
        found += _fraction_ms(fraction)
    return found


def _nearest_year(
    date: tuple[int, int, int, int],
    second: str,
    fraction: str | None,
    zone: datetime.tzinfo,
    reference_ms: int,
) -> int | None:
    around = _local_date(reference_ms, zone).year
    # Eight years around a leap day hold one, also where a century has none.
    span = 8 if date[:2] == (2, 29) else 1
    moments = (
        _finish(_local(year, *date, zone), second, fraction, None, reference_ms)
        for year in range(around - span, around + span + 1)
    )
    return _nearest(moments, reference_ms)


def _days_around(reference_ms: int, zone: datetime.tzinfo) -> list[tuple[int, int, int]]:
    today = _local_date(reference_ms, zone).toordinal()
    days = [datetime.date.fromordinal(today + shift) for shift in (-1, 0, 1)]
    return [(day.year, day.month, day.day) for day in days]


def _local_date(reference_ms: int, zone: datetime.tzinfo) -> datetime.date:
    # Two days of room for zones and for the day before and after.
    bounded = min(max(reference_ms, _MIN_MS + 2 * _DAY_MS), _MAX_MS - 2 * _DAY_MS)
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (epoch + datetime.timedelta(milliseconds=bounded)).astimezone(zone).date()


def _finish(
    starts: tuple[int, int] | None,
    second: str | None,
    fraction: str | None,
    written_zone: str | None,
    reference_ms: int,
) -> int | None:
    """Adds to the start of a minute what stands behind it."""
    if starts is None:
        return None
    extra = 0
    if second is not None:
        seconds = int(second)
        if seconds > 60:
            return None
        # A leap second is the first of the next minute.
        extra = seconds * 1000 + (0 if fraction is None else _fraction_ms(fraction))
    if written_zone is not None:
        offset = _offset_ms(written_zone)
        if offset is None:
            return None
        extra -= offset
    early, late = starts
    if early == late or abs(early + extra - reference_ms) <= abs(late + extra - reference_ms):
        return early + extra
    return late + extra


def _fraction_ms(digits: str) -> int:
    return int(digits[:3].ljust(3, "0"))


@functools.lru_cache(maxsize=256)
def _offset_ms(text: str) -> int | None:
    if text[0] not in "+-":
        return 0
    digits = text[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        return None
    offset = (hours * 60 + minutes) * 60_000
    return -offset if text[0] == "-" else offset


def _nearest(moments: Iterable[int | None], reference_ms: int) -> int | None:
    found = [moment for moment in moments if moment is not None]
    return min(found, key=lambda moment: abs(moment - reference_ms), default=None)


@functools.lru_cache(maxsize=4096)
def _local_minute(text: str, zone: datetime.tzinfo) -> tuple[int, int] | None:
    """As `_local`, of `2024-05-0110:00`: lines that follow each other share their minute."""
    return _local(
        int(text[:4]), int(text[5:7]), int(text[8:10]), int(text[10:12]), int(text[13:15]), zone
    )


@functools.lru_cache(maxsize=4096)
def _local(
    year: int, month: int, day: int, hour: int, minute: int, zone: datetime.tzinfo
) -> tuple[int, int] | None:
    """The two moments, mostly the same one, when clocks of a zone show this; None: never."""
    try:
        first = datetime.datetime(year, month, day, hour, minute, tzinfo=zone)
        offset, other = first.utcoffset(), first.replace(fold=1).utcoffset()
    except (ValueError, OverflowError):
        return None
    if offset is None or other is None:
        return None
    naive = (first.toordinal() - _EPOCH_ORDINAL) * _DAY_MS + (hour * 60 + minute) * 60_000
    early = naive - round(offset.total_seconds() * 1000)
    # The second one is later only where clocks are set back.
    late = naive - round(other.total_seconds() * 1000)
    return early, max(early, late)
