r"""logfmt: `ts=2024-05-01T10:00:00Z level=error msg="db \"main\" down" host=a retry`.

Fields: the keys of the line; a key without a value has the value `true`. The first of two
equal keys counts.
"""

from __future__ import annotations

import functools
import re

from transforms.formats.entry import OTHER, LevelReading, Parts, Picked, text_of
from transforms.levels import LEVEL_OF_BYTES, Level, level_from_text

LEVEL_KEYS = ("level", "lvl", "severity", "loglevel", "log.level", "levelname", "at")
TIME_KEYS = ("ts", "time", "timestamp", "t", "@timestamp", "date", "datetime")
MESSAGE_KEYS = ("msg", "message")

# A line of this format starts with a key and its value.
_START = re.compile(rb"[A-Za-z_@][\w.@/-]{0,63}=")
_PAIR = re.compile(rb'([^\s="]{1,256})(?:=(?:("(?:[^"\\]|\\.)*")|([^\s"]\S*)?))?', re.DOTALL)
_BARE = re.compile(rb'[^\s"]\S*')
_KEY = re.compile(r'[^\s="]{1,256}')
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
    level = _quick_level(line)
    return _level_in(_pairs(line)) if level is None else level


def pick(line: bytes, names: tuple[str, ...]) -> Picked:
    """Level and fields of a line, see `Picked`."""
    if _START.match(line) is None:
        return OTHER
    level = _quick_level(line)
    if level is None:
        return None
    values = []
    for name in names:
        key = _key(name)
        value = None if key is None else _quick_value(line, key)
        if value is None:
            return None
        values.append(text_of(value))
    return level, tuple(values)


def _quick_level(line: bytes) -> Level | None:
    position = _quick_find(line, b"level")
    match = None if position < 0 else _LEVEL.match(line, position)
    return None if match is None else LEVEL_OF_BYTES.get(match[1]) or level_from_text(match[1])


@functools.lru_cache(maxsize=256)
def _key(name: str) -> bytes | None:
    """A key as it stands in a line; None for what cannot be one."""
    return name.encode("utf-8") if _KEY.fullmatch(name) else None


def _quick_value(line: bytes, key: bytes) -> bytes | None:
    position = _quick_find(line, key)
    match = None if position < 0 else _BARE.match(line, position)
    return None if match is None else match[0]


def _quick_find(line: bytes, key: bytes) -> int:
    """Where the value of a key begins, if nothing in the line looks like the key before it.

    That is the usual way. In front of all quotes and behind a space it is no part of a value.
    """
    position = line.find(key, 0, _PREFIX)
    end = position + len(key)
    is_key = position == 0 or (position > 0 and line[position - 1] == _SPACE)
    if not is_key or line[end : end + 1] != b"=" or line.find(b'"', 0, position) >= 0:
        return -1
    return end + 1


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
