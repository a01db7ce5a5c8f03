"""Lines of no known format: no level, no fields, and a time only where one can be told safely.

That is a time at the beginning, in brackets or not, or one as in access logs,
`[10/Oct/2000:13:55:36 -0700]`, near to it.
"""

from __future__ import annotations

import re

from transforms.formats.entry import Parts

_FIRST_TIME = re.compile(
    rb"\[?(\d{4}[-/.]\d\d[-/.]\d\d(?:[T _]|, ?)\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
    rb"(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d)(?!\w))?"
    rb"|(?:[A-Z][a-z]{2} )?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?(?: \d{4}(?!\d))?)"
    rb"(?![\d.,])"
)
_ACCESS_TIME = re.compile(rb"\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]")
_ACCESS_PREFIX = 256


def read(line: bytes) -> Parts:
    """A line taken apart: the message is all of it."""
    match = _FIRST_TIME.match(line) or _ACCESS_TIME.search(line, 0, _ACCESS_PREFIX)
    return Parts(None, line, {}, () if match is None else (match[1],))
