"""What parsers give: an entry for the outside, and parts that are cheaper for the inside."""

from __future__ import annotations

import enum
import json
from collections import ChainMap
from collections.abc import Mapping
from typing import NamedTuple

from transforms.levels import Level


class Entry(NamedTuple):
    """A log line, read.

    Attributes:
      time_ms: the time in the line, milliseconds since the epoch; None if it has none.
      level: None if it cannot be read.
      message: what is left without time, level and fields: text of JSON, else bytes.
      fields: by the names of the format, see docs/formats.md.
    """

    time_ms: int | None
    level: Level | None
    message: str | bytes
    fields: Mapping[str, object]


class Other(enum.Enum):
    """The type of `OTHER`, an enum so that `is OTHER` tells the types apart."""

    OTHER = "other"


# Of a reader: the line is not of its format.
OTHER = Other.OTHER

# What a reader of levels gives. Bytes are the line in an envelope, which has to be read instead.
LevelReading = Level | None | bytes | Other


# What a quick look at some fields gives: the level and their values; `OTHER` for lines of other
# formats, None where the line has to be read as a whole to tell.
Picked = tuple[Level, tuple[str | None, ...]] | Other | None


def without_fields(level: LevelReading, names: tuple[str, ...]) -> Picked:
    """What a format that has none of these fields picks."""
    if isinstance(level, Level):
        return level, (None,) * len(names)
    return OTHER if level is OTHER else None


class Parts(NamedTuple):
    """A line taken apart, with its time as it is written: not all who ask need the time.

    Attributes:
      level: None if it cannot be read.
      message: as in `Entry`.
      fields: as in `Entry`.
      times: where to look for the time, in this order; a dict stands for a JSON object.
      inner: the line in it, if it is an envelope.
    """

    level: Level | None
    message: str | bytes
    fields: Mapping[str, object]
    times: tuple[object, ...] = ()
    inner: bytes | None = None


def text_of(value: object) -> str | None:
    r"""A value as text: bytes that are no UTF-8 as `\xNN`, numbers and booleans as in JSON.

    None for null, for objects and for arrays.
    """
    if isinstance(value, str):
        # JSON may hold halves of surrogate pairs, which nobody could encode later.
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    return None


def look_up(fields: Mapping[str, object], name: str) -> str | None:
    """A field as text.

    First the literal name as a key, dots and all, then a path into nested objects and arrays
    (`kubernetes.pod.name`, `tags.0`). The names of its steps may have dots too.
    """
    maps = fields.maps if isinstance(fields, ChainMap) else (fields,)
    for mapping in maps:
        value = mapping.get(name)
        if value is None and "." in name:
            value = _descend(mapping, name)
        if value is not None and (text := text_of(value)) is not None:
            return text
    return None


def _descend(value: object, path: str) -> object:
    if isinstance(value, Mapping):
        if path in value:
            return value[path]
        # A step may have dots in its name: `{"a.b": {"c": 1}}` holds `a.b.c`.
        position = path.find(".")
        while position >= 0:
            step = path[:position]
            if step in value:
                found = _descend(value[step], path[position + 1 :])
                if found is not None:
                    return found
            position = path.find(".", position + 1)
        return None
    if isinstance(value, list):
        first, _, rest = path.partition(".")
        if first.isascii() and first.isdigit() and len(first) < 9 and int(first) < len(value):
            item: object = value[int(first)]
            return _descend(item, rest) if rest else item
    return None
