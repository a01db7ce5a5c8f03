"""What stands around a line: Kubernetes' CRI, colours, marks of byte order. JSON's are elsewhere.

    2024-05-01T10:00:00.123456789Z stderr F the line itself

Filebeat's and Docker's envelopes are JSON objects, see `transforms.formats.json_lines`.
"""

from __future__ import annotations

import re

from transforms.formats import json_lines
from transforms.formats.entry import OTHER, LevelReading, Parts

_CRI = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([FP]) "
)
_COLOUR = re.compile(rb"\x1b\[[0-9;]{0,16}m")
_BOM = b"\xef\xbb\xbf"
_WHITE = b" \t\r\n\x0b\x0c"

# Colours further back do not hide a level.
_COLOUR_PREFIX = 256


def read_cri_level(line: bytes) -> LevelReading:
    """The line in an envelope of CRI, `OTHER` for anything else."""
    # Cheaper than the pattern, for the many lines that start with a time.
    if line.find(b" std", 19, 40) < 0:
        return OTHER
    match = _CRI.match(line)
    return OTHER if match is None else line[match.end() :]


def read_cri(line: bytes) -> Parts | None:
    """An envelope of CRI taken apart, fields `stream` and `logtag`; None for anything else."""
    match = _CRI.match(line)
    if match is None:
        return None
    inner = line[match.end() :]
    fields: dict[str, object] = {"stream": match[2], "logtag": match[3]}
    return Parts(None, inner, fields, (match[1],), inner)


def read_wrapped_level(line: bytes) -> LevelReading:
    """The line without what hides its beginning, `OTHER` if nothing does."""
    cleaned = _clean(line)
    return OTHER if cleaned is None else cleaned


def read_wrapped(line: bytes) -> Parts | None:
    """As `read_wrapped_level`, None if nothing hides the line's beginning."""
    cleaned = _clean(line)
    return None if cleaned is None else Parts(None, cleaned, {}, (), cleaned)


def _clean(line: bytes) -> bytes | None:
    if line.find(b"\x1b[", 0, _COLOUR_PREFIX) >= 0:
        cleaned = _COLOUR.sub(b"", line)
        return None if cleaned == line else cleaned
    if line.startswith(_BOM):
        return line[len(_BOM) :]
    if line[0] in _WHITE:
        # White space is how a stack trace goes on; only an object is surely a line of its own.
        stripped = line.lstrip(_WHITE)
        return stripped if stripped.startswith(b"{") else None
    return None


def innermost(line: bytes, depth: int) -> bytes:
    """The line inside of all envelopes around it, at most `depth` of them."""
    for _ in range(depth):
        found = OTHER if not line else read_wrapped_level(line)
        if found is OTHER and line.startswith(b"{"):
            found = json_lines.read_envelope_level(line)
        elif found is OTHER:
            found = read_cri_level(line)
        if not isinstance(found, bytes):
            break
        line = found
    return line
