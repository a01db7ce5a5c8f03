"""Which formats a line may have, by its first byte, and the order in which they are tried.

The first format that recognises a line has it; docs/formats.md has the table. Envelopes are
opened and what is in them is read like a line of its own, a few of them deep at most.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from transforms.formats import apache, envelopes, json_lines, log4j, logfmt, plain, syslog
from transforms.formats.entry import OTHER, LevelReading, Parts, Picked
from transforms.levels import Level

MAX_ENVELOPES = 4

AUTO = "auto"
PLAIN = "plain"


class Reader(NamedTuple):
    """The functions of a format: for the level alone, for everything, for level and some fields."""

    level: Callable[[bytes], LevelReading]
    parts: Callable[[bytes], Parts | None]
    pick: Callable[[bytes, tuple[str, ...]], Picked] = lambda _line, _names: None


class Readers(NamedTuple):
    """What is tried on a line, by its first byte."""

    level: tuple[tuple[Callable[[bytes], LevelReading], ...], ...]
    parts: tuple[tuple[Callable[[bytes], Parts | None], ...], ...]
    pick: tuple[tuple[Callable[[bytes, tuple[str, ...]], Picked], ...], ...]


_JSON = Reader(json_lines.read_level, json_lines.read, json_lines.pick)
_JSON_ENVELOPE = Reader(json_lines.read_envelope_level, json_lines.read_envelope)
_APACHE = Reader(apache.read_level, apache.read, apache.pick)
_LOGFMT = Reader(logfmt.read_level, logfmt.read, logfmt.pick)
_LOG4J = Reader(log4j.read_level, log4j.read, log4j.pick)
_TIMED = Reader(log4j.read_timed_level, log4j.read, log4j.pick)
_LEVEL_FIRST = Reader(log4j.read_first_level, log4j.read, log4j.pick)
_SYSLOG = Reader(syslog.read_level, syslog.read)
_CRI = Reader(envelopes.read_cri_level, envelopes.read_cri)
_WRAPPED = Reader(envelopes.read_wrapped_level, envelopes.read_wrapped)

_DIGITS = b"0123456789"
_CAPITALS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SMALL_LETTERS = _CAPITALS.lower()
_MONTHS = b"JFMASOND"
# White space, the escape of colours, the mark of byte order.
_HIDING = b" \t\r\n\x0b\x0c\x1b\xef"


def _auto(first: int) -> tuple[Reader, ...]:
    if first in b"{":
        return (_JSON,)
    if first in b"[":
        return _APACHE, _LOG4J, _WRAPPED
    if first in b"<":
        return (_SYSLOG,)
    if first in _DIGITS:
        return _CRI, _TIMED, _SYSLOG, _WRAPPED
    if first in _MONTHS:
        return _SYSLOG, _LEVEL_FIRST, _LOGFMT, _WRAPPED
    if first in _CAPITALS:
        return _LEVEL_FIRST, _LOGFMT, _WRAPPED
    if first in _SMALL_LETTERS:
        # No line is of both formats, so the likelier one is first.
        return _LOGFMT, _LEVEL_FIRST, _WRAPPED
    if first in b"_@":
        return (_LOGFMT,)
    return (_WRAPPED,) if first in _HIDING else ()


def _only(reader: Reader) -> Callable[[int], tuple[Reader, ...]]:
    def readers(first: int) -> tuple[Reader, ...]:
        if first in b"{":
            return (_JSON,) if reader is _JSON else (_JSON_ENVELOPE, reader)
        return (_CRI, reader, _WRAPPED) if first in _DIGITS else (reader, _WRAPPED)

    return readers


def _table(choose: Callable[[int], Iterable[Reader]]) -> Readers:
    rows = [tuple(choose(first)) for first in range(256)]
    return Readers(
        tuple(tuple(reader.level for reader in row) for row in rows),
        tuple(tuple(reader.parts for reader in row) for row in rows),
        tuple(tuple(reader.pick for reader in row) for row in rows),
    )


READERS: Mapping[str, Readers] = {
    AUTO: _table(_auto),
    PLAIN: _table(lambda _first: ()),
    "apache": _table(_only(_APACHE)),
    "json": _table(_only(_JSON)),
    "logfmt": _table(_only(_LOGFMT)),
    "log4j": _table(_only(_LOG4J)),
    "syslog": _table(_only(_SYSLOG)),
}


def levels_in(lines: Sequence[bytes], readers: Readers) -> list[Level | None]:
    """`level_in` of every line; the calls that are the same for all are made once."""
    rows = readers.level
    levels: list[Level | None] = []
    for line in lines:
        level = None
        for read in rows[line[0]] if line else ():
            found = read(line)
            if found is not OTHER:
                # Bytes are the line in an envelope.
                level = _inner_level(found, read, readers) if isinstance(found, bytes) else found
                break
        levels.append(level)
    return levels


def picks_in(
    lines: Sequence[bytes], readers: Readers, names: tuple[str, ...]
) -> list[tuple[Level | None, tuple[str | None, ...]] | None]:
    """Level and fields of every line; None where it has to be taken apart to tell them."""
    rows = readers.pick
    nothing = (None, (None,) * len(names))
    picks: list[tuple[Level | None, tuple[str | None, ...]] | None] = []
    for line in lines:
        for pick in rows[line[0]] if line else ():
            found = pick(line, names)
            if found is not OTHER:
                picks.append(found)
                break
        else:
            picks.append(nothing)
    return picks


def level_in(line: bytes, readers: Readers, depth: int = 0) -> Level | None:
    """The level of a line, None if it cannot be read."""
    if not line:
        return None
    for read in readers.level[line[0]]:
        found = read(line)
        if found is OTHER:
            continue
        return _inner_level(found, read, readers, depth) if isinstance(found, bytes) else found
    return None


def _inner_level(
    line: bytes, read: Callable[[bytes], LevelReading], readers: Readers, depth: int = 0
) -> Level | None:
    """The level of the line that `read` found in an envelope."""
    if depth >= MAX_ENVELOPES:
        return None
    # What a program sends to syslog may have any format.
    return level_in(line, READERS[AUTO] if read is syslog.read_level else readers, depth + 1)


def parts_in(line: bytes, readers: Readers, depth: int = 0) -> Parts:
    """A line taken apart, without its envelopes, whose fields come after its own."""
    for read in readers.parts[line[0]] if line else ():
        found = read(line)
        if found is None:
            continue
        if found.inner is None or depth >= MAX_ENVELOPES:
            return found
        inside = READERS[AUTO] if read is syslog.read else readers
        inner = parts_in(found.inner, inside, depth + 1)
        return Parts(
            inner.level,
            inner.message,
            _chain(inner.fields, found.fields),
            inner.times + found.times,
        )
    return plain.read(line)


def _chain(first: Mapping[str, object], then: Mapping[str, object]) -> Mapping[str, object]:
    if not first:
        return then
    if not then:
        return first
    maps = [*first.maps] if isinstance(first, ChainMap) else [dict(first)]
    return ChainMap(*maps, dict(then))
