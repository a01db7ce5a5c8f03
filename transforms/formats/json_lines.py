"""JSON logs: one object a line, under the many names that loggers give to the same things.

An object without a level of its own whose `message`, `log` or `MESSAGE` is a text is an envelope:
Filebeat, Docker, Fluent Bit and journald pack lines of any format into one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import orjson

from transforms.formats.entry import OTHER, LevelReading, Parts, Picked, look_up
from transforms.levels import (
    LEVEL_OF_TEXT,
    Level,
    level_from_letter,
    level_from_number,
    level_from_open_telemetry_number,
    level_from_python_number,
    level_from_text,
)

# In the order in which they are asked.
LEVEL_KEYS = (
    "level",
    "severity",
    "levelname",
    "log.level",
    "lvl",
    "loglevel",
    "log_level",
    "logLevel",
    "Level",
    "LEVEL",
    "severity_text",
    "severityText",
    "SeverityText",
    "@level",
    "@l",
    "PRIORITY",
)
TIME_KEYS = (
    "@timestamp",
    "timestamp",
    "time",
    "ts",
    "t",
    "date",
    "datetime",
    "asctime",
    "eventTime",
    "Timestamp",
    "@t",
    "timeMillis",
    "instant",
    "__REALTIME_TIMESTAMP",
)
MESSAGE_KEYS = (
    "message",
    "msg",
    "log",
    "@message",
    "@m",
    "@mt",
    "MESSAGE",
    "short_message",
    "text",
    "event",
    "body",
)
_NUMBER_KEYS = {
    "levelno": level_from_python_number,
    "severityNumber": level_from_open_telemetry_number,
    "severity_number": level_from_open_telemetry_number,
    "SeverityNumber": level_from_open_telemetry_number,
}
# One look tells that an object has none of the keys, as most envelopes do.
_LEVEL_KEY_SET = frozenset((*LEVEL_KEYS, *_NUMBER_KEYS, "s"))
_INNER_KEYS = ("message", "log", "MESSAGE")


def load(line: bytes) -> dict[str, Any] | None:
    """The object of a line; None if it holds anything else."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        value = _load_leniently(line)
    return value if isinstance(value, dict) else None


def _load_leniently(line: bytes) -> object:
    """What real logs hold and orjson refuses: invalid UTF-8, NaN, halves of surrogate pairs."""
    if not line.rstrip().endswith(b"}"):
        return None  # cut off, as long lines often are
    try:
        return json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def read_level(line: bytes) -> LevelReading:
    """The level of a line, or the line inside of it; `OTHER` for what is no JSON object."""
    fields = load(line)
    if fields is None:
        return OTHER
    level = level_in(fields)
    return inner_line(fields) if level is None else level


def pick(line: bytes, names: tuple[str, ...]) -> Picked:
    """Level and fields of a line, see `Picked`."""
    fields = load(line)
    if fields is None:
        return OTHER
    level = level_in(fields)
    if level is None:
        return None
    values = []
    for name in names:
        value = fields.get(name)
        # Mostly it is plain text under this very name.
        usual = value.__class__ is str and value.isascii()
        values.append(value if usual else look_up(fields, name))
    return level, tuple(values)


def read(line: bytes) -> Parts | None:
    """A line taken apart, None for what is no JSON object."""
    fields = load(line)
    if fields is None:
        return None
    level = level_in(fields)
    inner = inner_line(fields) if level is None else None
    return Parts(level, _message_in(fields), fields, (fields,), inner)


def read_envelope_level(line: bytes) -> LevelReading:
    """The line inside of an envelope, `OTHER` for anything else, also a JSON log."""
    fields = load(line)
    inner = inner_line(fields) if fields is not None and level_in(fields) is None else None
    return OTHER if inner is None else inner


def read_envelope(line: bytes) -> Parts | None:
    """An envelope taken apart, None for anything else, also a JSON log."""
    parts = read(line)
    return parts if parts is not None and parts.inner is not None else None


def inner_line(fields: Mapping[str, Any]) -> bytes | None:
    """The line in an object, supposing that it has no level of its own."""
    for key in _INNER_KEYS:
        text = fields.get(key)
        if isinstance(text, str):
            # What cannot be encoded came from an escape, see `_load_leniently`.
            return text.encode("utf-8", "surrogatepass").rstrip(b"\r\n")
    return None


def level_in(fields: Mapping[str, Any]) -> Level | None:
    """The level of an object; the first key that holds one decides."""
    value = fields.get("level")
    if value.__class__ is str:
        level = LEVEL_OF_TEXT.get(value)
        if level is not None:
            return level
    nested = fields.get("log")
    if isinstance(nested, dict) and (level := _level_of_value(nested.get("level"))) is not None:
        return _level_by_key(fields) or level
    return None if _LEVEL_KEY_SET.isdisjoint(fields) else _level_by_key(fields)


def _level_by_key(fields: Mapping[str, Any]) -> Level | None:
    for key in LEVEL_KEYS:
        if key in fields and (level := _level_of_value(fields[key])) is not None:
            return level
    for key, convert in _NUMBER_KEYS.items():
        number = fields.get(key)
        if isinstance(number, (int, float)) and (level := convert(number)) is not None:
            return level
    # MongoDB writes one letter, and its time as an object.
    letter = fields.get("s")
    if isinstance(letter, str) and isinstance(fields.get("t"), dict):
        return level_from_letter(letter[:1])
    return None


def _level_of_value(value: object) -> Level | None:
    if isinstance(value, str):
        level = level_from_text(value)
        if level is not None or len(value) > 8:
            return level
        if len(value) == 1 and value.isalpha():
            return level_from_letter(value)
        return level_from_number(int(value)) if value.isascii() and value.isdigit() else None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return level_from_number(value)
    return None


def time_value(fields: Mapping[str, Any]) -> list[object]:
    """The values that may be the time of an object, best first."""
    return [_plain_time(fields[key]) for key in TIME_KEYS if key in fields]


def _plain_time(value: object) -> object:
    """A number or a text also of times that are objects."""
    if not isinstance(value, dict):
        return value
    if "$date" in value:  # MongoDB
        return value["$date"]
    seconds = value.get("epochSecond", value.get("seconds"))  # Log4j 2, Google Cloud
    nanos = value.get("nanoOfSecond", value.get("nanos", 0))
    if not isinstance(seconds, (int, float)) or not isinstance(nanos, (int, float)):
        return None
    if not (math.isfinite(nanos) and 0 <= nanos < 1_000_000_000 and 0 <= seconds < 1e11):
        return None
    return int(seconds) * 1000 + int(nanos) // 1_000_000 if int(seconds) >= 1e8 else seconds


def _message_in(fields: Mapping[str, Any]) -> str:
    for key in MESSAGE_KEYS:
        value = fields.get(key)
        if isinstance(value, str):
            return value
    # Rust's tracing has its fields one level down.
    nested = fields.get("fields")
    value = nested.get("message") if isinstance(nested, dict) else None
    return value if isinstance(value, str) else ""
