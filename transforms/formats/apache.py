"""Apache's error log, as httpd 2.2 and 2.4 write it by default, and with `%{cu}t` for ISO times.

    [Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] client denied by ...
    [Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416]
        [client 72.15.99.187:5312] (2)No such file or directory: AH00036: File does not exist

Fields: module, pid, tid, client, client_port, remote, remote_port, code (AH00036), os_error (the
number in front of `No such file`), source (file and line, of debug lines), referer.
"""

from __future__ import annotations

import re

from transforms.formats.entry import OTHER, LevelReading, Parts, Picked, without_fields
from transforms.levels import LEVEL_OF_BYTES, Level, level_from_text

# Time, module and level. The module may be missing, empty (`[:error]`) or `-`.
_HEAD = re.compile(rb"\[([^\]]{10,64})\] \[(?:([\w.-]{0,64}):)?([A-Za-z]{3,11}[1-8]?)\s{0,4}\]")
_PROCESS = re.compile(rb" \[pid (\d{1,20})(?::tid (\d{1,20}))?\]")
_SOURCE = re.compile(rb" ([\w./-]{1,128}\.c\(\d{1,9}\)):")
_OS_ERROR = re.compile(rb" \((\d{1,9})\)[^:\[]{1,200}:")
_ADDRESS = re.compile(rb" \[(client|remote) (\[[^\]\s]{1,64}\](?::\d{1,5})?|[^\]\s]{1,128})\]")
_CODE = re.compile(rb" (AH\d{5}):")
_REFERER = b", referer: "
_FIELDS = frozenset(
    (
        *("module", "pid", "tid", "client", "client_port", "remote", "remote_port"),
        *("code", "os_error", "source", "referer"),
    )
)


def read_level(line: bytes) -> LevelReading:
    """The level of a line, `OTHER` for lines of other formats."""
    match = _HEAD.match(line)
    if match is None:
        return OTHER
    word = match[3]
    level = LEVEL_OF_BYTES.get(word) or level_from_text(word)
    return OTHER if level is None else level


def pick(line: bytes, names: tuple[str, ...]) -> Picked:
    """Level and fields of a line, see `Picked`."""
    return without_fields(read_level(line), names) if _FIELDS.isdisjoint(names) else None


def read(line: bytes) -> Parts | None:
    """A line taken apart, None for lines of other formats."""
    match = _HEAD.match(line)
    if match is None:
        return None
    level = level_from_text(match[3])
    return None if level is None else _read_rest(line, match, level)


def _read_rest(line: bytes, match: re.Match[bytes], level: Level) -> Parts:
    fields: dict[str, object] = {}
    module = match[2]
    if module and module != b"-":
        fields["module"] = module
    position = match.end()
    if (found := _PROCESS.match(line, position)) is not None:
        fields["pid"] = found[1]
        if found[2] is not None:
            fields["tid"] = found[2]
        position = found.end()
    # httpd has changed the order of these, and modules repeat them.
    moved = True
    while moved:
        moved = False
        if "source" not in fields and (found := _SOURCE.match(line, position)) is not None:
            fields["source"], position, moved = found[1], found.end(), True
        if "os_error" not in fields and (found := _OS_ERROR.match(line, position)) is not None:
            fields["os_error"], position, moved = found[1], found.end(), True
        if (found := _ADDRESS.match(line, position)) is not None:
            _put_address(fields, found, has_port=module is not None)
            position, moved = found.end(), True
        if "code" not in fields and (found := _CODE.match(line, position)) is not None:
            fields["code"], position, moved = found[1], found.end(), True
    message = line[position:].strip()
    text, mark, referer = message.rpartition(_REFERER)
    if mark:
        message, fields["referer"] = text, referer
    return Parts(level, message, fields, (match[1],))


def _put_address(fields: dict[str, object], found: re.Match[bytes], *, has_port: bool) -> None:
    kind, address = found[1].decode("ascii"), found[2]
    if kind in fields:
        return
    host, colon, port = address.rpartition(b":")
    bracketed = host.startswith(b"[") and host.endswith(b"]")
    # httpd 2.4, which names the module, writes a port behind IPv6 addresses too; 2.2 never.
    if colon and port.isdigit() and (bracketed or b":" not in host or has_port):
        fields[f"{kind}_port"] = port
        address = host
    fields[kind] = address[1:-1] if address.startswith(b"[") else address
