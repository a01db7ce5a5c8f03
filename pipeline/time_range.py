"""Checks the flags that bound a read by time: `--from_time` and `--to_time`."""

from __future__ import annotations

import argparse
import datetime
import re
import zoneinfo

from pipeline.errors import UsageError
from transforms.clock import wall_clock_ms
from transforms.grid import Grid
from transforms.pane_range import PaneRange
from transforms.results import format_time

TIME_FLAGS = ("--from_time", "--to_time")

_FIX = "Write it like 2026-11-22T10:00:00Z, or as milliseconds since 1970."
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,3})\d*)?)?"
    r"(?: ?([Zz]|[+-]\d\d:?\d\d))?",
    re.ASCII,
)
# Fewer digits are seconds, or a year, and would be a time in 1970.
_EPOCH_MS = re.compile(r"\d{12,14}", re.ASCII)


def time_range(flags: argparse.Namespace, grid: Grid) -> PaneRange:
    """What the flags say is to be counted.

    Raises:
      UsageError: a time cannot be read or has not come yet, or no window lies in the range.
    """
    from_ms = _past_ms("--from_time", flags.from_time, flags.time_zone)
    to_ms = _past_ms("--to_time", flags.to_time, flags.time_zone)
    if from_ms is not None and to_ms is not None:
        if from_ms >= to_ms:
            raise UsageError(
                "--to_time",
                f"not after --from_time ({format_time(from_ms)})",
                got=flags.to_time,
                fix="A range begins before it ends.",
            )
        panes = PaneRange.of_times(grid, from_ms, to_ms)
        first, last = panes.first_window(grid), panes.last_window
        if first is not None and last is not None and first > last:
            raise UsageError(
                "--to_time",
                f"no window of {grid.window_seconds} s lies in the range from "
                f"{format_time(from_ms)}",
                got=flags.to_time,
                fix=f"Windows end every {grid.slide_seconds} s; give a longer range.",
            )
    return PaneRange.of_times(grid, from_ms, to_ms)


def parse_time_ms(flag: str, text: str, time_zone: str) -> int:
    """Milliseconds since the epoch.

    Args:
      flag: named in errors.
      text: ISO 8601 (a date alone is its midnight), or milliseconds since the epoch.
      time_zone: of a time that names none.

    Raises:
      UsageError: it is no time.
    """
    if _EPOCH_MS.fullmatch(text):
        return int(text)
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise UsageError(flag, "not a time", got=text, fix=_FIX)
    date, time, fraction, offset = match.groups()
    zone = "" if offset is None else "+00:00" if offset in "Zz" else _with_colon(offset)
    try:
        moment = datetime.datetime.fromisoformat(f"{date}T{time or '00:00'}{zone}")
        if offset is None:
            moment = moment.replace(tzinfo=zoneinfo.ZoneInfo(time_zone))
        return round(moment.timestamp()) * 1000 + int((fraction or "").ljust(3, "0"))
    except (ValueError, OverflowError):
        raise UsageError(flag, "not a time", got=text, fix=_FIX) from None


def _with_colon(offset: str) -> str:
    return offset if ":" in offset else f"{offset[:3]}:{offset[3:]}"


def _past_ms(flag: str, text: str | None, time_zone: str) -> int | None:
    if text is None:
        return None
    time_ms = parse_time_ms(flag, text, time_zone)
    now_ms = wall_clock_ms()
    if time_ms > now_ms:
        raise UsageError(
            flag,
            f"in the future (it is {format_time(now_ms)})",
            got=text,
            fix="A range is past; without --to_time it ends with the topic.",
        )
    return time_ms
