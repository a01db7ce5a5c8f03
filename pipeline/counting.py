"""Checks the flags that say what is counted, when and for whom."""

from __future__ import annotations

import argparse
import zoneinfo

from pipeline.arguments import choice, whole_number
from pipeline.errors import UsageError
from transforms.classify import EVENT_TIMES, HEADER_FIELD, RECORD_FIELD, RECORD_FIELDS, LineRules
from transforms.filter import AtLeast, ContainsText, LineFilter, MatchesRegex, OneOf
from transforms.formats import LOG_FORMATS, LineParser
from transforms.levels import Level, level_from_text
from transforms.timing import Timing

_FILTER_FLAGS = ("--min_level", "--levels", "--contains", "--match")


def line_rules(flags: argparse.Namespace) -> LineRules:
    """How records are judged.

    Raises:
      UsageError: for the first flag that is wrong.
    """
    return LineRules(
        filter=_filter(flags),
        parser=_parser(flags),
        group_by=_group_by(flags.group_by),
        event_time=choice("--event_time", flags.event_time, EVENT_TIMES),
        max_line_bytes=whole_number("--max_line_bytes", flags.max_line_bytes),
        max_past_seconds=whole_number("--max_past_seconds", flags.max_past_seconds),
        max_future_seconds=whole_number("--max_future_seconds", flags.max_future_seconds),
    )


def grouping(flags: argparse.Namespace) -> int:
    """How many keys have series of their own.

    Raises:
      UsageError: it is no number.
    """
    return whole_number("--max_keys", flags.max_keys)


def timing(flags: argparse.Namespace) -> Timing:
    """When windows are told.

    Raises:
      UsageError: for the first flag that is wrong.
    """
    early_ms = None
    if flags.early_seconds is not None:
        early_ms = 1000 * whole_number("--early_seconds", flags.early_seconds)
    lateness = whole_number("--allowed_lateness_seconds", flags.allowed_lateness_seconds, minimum=0)
    return Timing(
        allowed_lateness_ms=1000 * lateness,
        on_time_delay_ms=_milliseconds("--on_time_delay_seconds", flags.on_time_delay_seconds),
        max_silence_ms=1000 * whole_number("--max_silence_seconds", flags.max_silence_seconds),
        series_idle_ms=1000 * whole_number("--series_idle_seconds", flags.series_idle_seconds),
        early_ms=early_ms,
    )


def _milliseconds(flag: str, value: str) -> int:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise UsageError(flag, "not a number of seconds", got=value, fix="See --help.")
    return round(seconds * 1000)


def _parser(flags: argparse.Namespace) -> LineParser:
    log_format = choice("--log_format", flags.log_format, LOG_FORMATS)
    try:
        zoneinfo.ZoneInfo(flags.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            "--time_zone",
            "not a time zone",
            got=flags.time_zone,
            fix="Write it like UTC or Europe/Berlin.",
        ) from None
    return LineParser(log_format, flags.time_zone)


def _filter(flags: argparse.Namespace) -> LineFilter:
    given = [flag for flag in _FILTER_FLAGS if getattr(flags, flag.removeprefix("--")) is not None]
    if len(given) > 1:
        raise UsageError(given[1], f"cannot be combined with {given[0]}", fix="Give one of them.")
    if flags.contains is not None:
        if not flags.contains:
            raise UsageError(
                "--contains", "empty, so every line would count", fix="Give the text to look for."
            )
        return ContainsText(flags.contains)
    if flags.match is not None:
        try:
            return MatchesRegex(flags.match)
        except ValueError as error:
            raise UsageError(
                "--match",
                f"not a regular expression ({error})",
                got=flags.match,
                fix="The syntax is that of RE2: no look-around, no back references.",
            ) from None
    if flags.levels is not None:
        names = [name.strip() for name in flags.levels.split(",") if name.strip()]
        if not names:
            raise UsageError("--levels", "empty", fix="Write it like ERROR,CRITICAL.")
        return OneOf(frozenset(_level("--levels", name) for name in names))
    return AtLeast(_level("--min_level", flags.min_level or "ERROR"))


def _level(flag: str, name: str) -> Level:
    level = level_from_text(name)
    if level is None:
        raise UsageError(
            flag,
            "not a level",
            got=name,
            fix=f"Levels: {', '.join(one.name for one in Level)}.",
        )
    return level


def _group_by(value: str | None) -> tuple[str, ...]:
    if value is None:
        return ()
    names = tuple(name.strip() for name in value.split(","))
    if not all(names):
        raise UsageError(
            "--group_by", "an empty name", got=value, fix="Write it like service,host."
        )
    for name in names:
        known = name in RECORD_FIELDS or (name.startswith(HEADER_FIELD) and name != HEADER_FIELD)
        if name.startswith(RECORD_FIELD) and not known:
            raise UsageError(
                "--group_by",
                "no such field of a record",
                got=name,
                fix=f"There are {', '.join(RECORD_FIELDS)} and {HEADER_FIELD}NAME.",
            )
    return names
