r"""logfmt: `ts=2024-05-01T10:00:00Z level=error msg="db \"main\" down" host=a retry`.

Fields: the keys of the line; a key without a value has the value `true`. The first of two
equal keys counts.
"""

from __future__ import annotations

import re

from transforms.formats.entry import OTHER, LevelReading, Parts
from transforms.levels import LEVEL_OF_BYTES, Level, level_from_text

LEVEL_KEYS = ("level", "lvl", "severity", "loglevel", "log.level", "levelname", "at")
TIME_KEYS = ("ts", "time", "timestamp", "t", "@timestamp", "date", "datetime")
MESSAGE_KEYS = ("msg", "message")

# A line of this format starts with a key and its value.
_START = re.compile(rb"[A-Za-z_@][\w.@/-]{0,63}=")
_PAIR = re.compile(rb'([^\s="]{1,256})(?:=(?:("(?:[^"\\]|\\.)*")|([^\s"]\S*)?))?', re.DOTALL)
_LEVEL = re.compile(rb"([A-Za-z]{1,13}[1-8]?)(?:\s|$)")
_ESCAPE = re.compile(rb"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r"}
_MAX_PAIRS = 1000
# No more keys than `_MAX_PAIRS` fit in front of it.
_PREFIX = 1000
_SPACE = ord(" ")


def read_level(line: bytes) -> LevelReading:
    """The level of a line, `OTHER` for lines of other formats."""
    if _START.match(line) is None:
        return OTHER
    # The usual way, a key in front of all quotes, so that it is no part of a value.
    position = line.find(b"level=", 0, _PREFIX)
    is_key = position == 0 or (position > 0 and line[position - 1] == _SPACE)
    if is_key and line.find(b'"', 0, position) < 0:
        match = _LEVEL.match(line, position + 6)
        if match is not None:
            level = LEVEL_OF_BYTES.get(match[1]) or level_from_text(match[1])
            if level is not None:
                return level
    return _level_in(_pairs(line))


def read(line: bytes) -> Parts | None:
    """A line taken apart, None for lines of other formats."""
    if _START.match(line) is None:
        return None
    fields = _pairs(line)
    times = tuple(fields[key] for key in TIME_KEYS if key in fields)
    messages = (fields[key] for key in MESSAGE_KEYS if key in fields)
    return Parts(_level_in(fields), next(messages, b""), dict(fields), times)


def _level_in(fields: dict[str, bytes]) -> Level | None:
    for key in LEVEL_KEYS:
        value = fields.get(key)
        if value is not None and (level := level_from_text(value)) is not None:
            return level
    return None


def _pairs(line: bytes) -> dict[str, bytes]:
    fields: dict[str, bytes] = {}
    for number, match in enumerate(_PAIR.finditer(line)):
        if number >= _MAX_PAIRS:
            break
        key, quoted, bare = match.groups()
        if quoted is not None:
            value = quoted[1:-1]
            if b"\\" in value:
                value = _ESCAPE.sub(_unescape, value)
        elif bare is not None:
            value = bare
        else:
            value = b"" if match[0].endswith(b"=") else b"true"
        fields.setdefault(key.decode("utf-8", "backslashreplace"), value)
    return fields


def _unescape(match: re.Match[bytes]) -> bytes:
    escape = match[1]
    if escape[:1] == b"u" and len(escape) == 5:
        return chr(int(escape[1:], 16)).encode("utf-8", "replace")
    return _ESCAPES.get(escape, escape)
