r"""syslog: RFC 3164 with and without its number in front, RFC 5424, and rsyslog's files.

    <34>Oct 11 22:14:15 host su[230]: msg
    <165>1 2003-10-11T22:14:15.003Z host app 8710 ID47 [exampleSDID@32473 iut="3"] msg
    Oct 11 22:14:15 host app[1]: msg
    2024-05-01T10:00:00.123456+00:00 host app[1]: msg

The severity in the number decides, whatever the message says. Without a number the message is
read as a line of its own: `app[1]: level=error ...` has a level.

Fields: host, app, pid, facility, severity, and of RFC 5424 msgid, version and the structured
data as an object by its ids (`exampleSDID@32473.iut`).
"""

from __future__ import annotations

import re

from transforms.formats.entry import OTHER, LevelReading, Parts
from transforms.levels import Level, level_from_syslog_severity

_PRI = re.compile(rb"(?:\d{1,7} )?<(\d{1,3})>")
_LEVEL_OF_PRI: dict[bytes, Level] = {
    str(number).encode("ascii"): level
    for number in range(192)
    if (level := level_from_syslog_severity(number % 8)) is not None
}

_MONTH_TIME = rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?(?: \d{4}(?= ))?"
_ISO_TIME = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
_ORIGIN = (
    rb"(" + _MONTH_TIME + rb"|" + _ISO_TIME + rb") (\S{1,255}) "
    rb"([^\s:\[\]]{1,64})(?:\[(\d{1,10})\])?: ?"
)
_OLD = re.compile(_ORIGIN)
# Devices often leave out the host or the tag.
_OLD_TIME = re.compile(rb"(?:" + _MONTH_TIME + rb"|" + _ISO_TIME + rb") ")
_NEW = re.compile(rb"(\d{1,3}) (\S{1,64}) (\S{1,255}) (\S{1,48}) (\S{1,128}) (\S{1,32}) (?=-|\[)")
_SD_ID = re.compile(rb'\[([^\s=\]"]{1,64})')
_SD_PARAM = re.compile(rb' ([^\s=\]"]{1,64})="((?:[^"\\\]]|\\.)*)"', re.DOTALL)
_SD_ESCAPE = re.compile(rb'\\(["\\\]])')
_MAX_SD_PARAMS = 256
_BOM = b"\xef\xbb\xbf"


def read_level(line: bytes) -> LevelReading:
    """The level of a line, or its message where that has to say it; `OTHER` for other formats."""
    match = _PRI.match(line)
    if match is not None:
        return _level_of_pri(match[1]) or OTHER
    match = _OLD.match(line)
    return OTHER if match is None else line[match.end() :]


def read(line: bytes) -> Parts | None:
    """A line taken apart, None for lines of other formats."""
    match = _PRI.match(line)
    if match is None:
        found = _OLD.match(line)
        return None if found is None else _read_old(line, found, None, {}, is_inner=True)
    level = _level_of_pri(match[1])
    if level is None:
        return None
    number = int(match[1])
    fields: dict[str, object] = {"facility": number // 8, "severity": number % 8}
    position = match.end()
    if (found := _NEW.match(line, position)) is not None:
        return _read_new(line, found, level, fields)
    if (found := _OLD.match(line, position)) is not None:
        return _read_old(line, found, level, fields, is_inner=False)
    if (found := _OLD_TIME.match(line, position)) is not None:
        return Parts(level, line[found.end() :].rstrip(), fields, (found[0],))
    return Parts(level, line[position:].strip(), fields)


def _level_of_pri(number: bytes) -> Level | None:
    # Some write leading zeros.
    return _LEVEL_OF_PRI.get(number) or _LEVEL_OF_PRI.get(number.lstrip(b"0"))


def _read_old(
    line: bytes,
    found: re.Match[bytes],
    level: Level | None,
    fields: dict[str, object],
    *,
    is_inner: bool,
) -> Parts:
    fields["host"], fields["app"] = found[2], found[3]
    if found[4] is not None:
        fields["pid"] = found[4]
    message = line[found.end() :]
    return Parts(level, message.rstrip(), fields, (found[1],), message if is_inner else None)


def _read_new(
    line: bytes, found: re.Match[bytes], level: Level, fields: dict[str, object]
) -> Parts:
    version, time, host, app, pid, msgid = found.groups()
    fields["version"] = int(version)
    for name, value in (("host", host), ("app", app), ("pid", pid), ("msgid", msgid)):
        if value != b"-":
            fields[name] = value
    position = found.end()
    if line[position : position + 1] == b"-":
        position += 1
    else:
        position = _read_structured_data(line, position, fields)
    message = line[position:].lstrip(b" ").removeprefix(_BOM).rstrip()
    return Parts(level, message, fields, () if time == b"-" else (time,))


def _read_structured_data(line: bytes, position: int, fields: dict[str, object]) -> int:
    """Adds elements to `fields`; returns where they end, at the first one that is malformed."""
    left = _MAX_SD_PARAMS
    while left > 0 and (match := _SD_ID.match(line, position)) is not None:
        element: dict[str, object] = {}
        end = match.end()
        while left > 0 and (param := _SD_PARAM.match(line, end)) is not None:
            value = _SD_ESCAPE.sub(rb"\1", param[2])
            element.setdefault(param[1].decode("ascii", "backslashreplace"), value)
            end = param.end()
            left -= 1
        if line[end : end + 1] != b"]":
            break
        fields.setdefault(match[1].decode("ascii", "backslashreplace"), element)
        position = end + 1
        left -= 1
    return position
