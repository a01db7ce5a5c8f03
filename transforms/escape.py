"""Makes text of unknown origin safe to show: log lines may carry terminal control sequences."""

from __future__ import annotations

import unicodedata

_ELLIPSIS = "…"


def escape_terminal(data: bytes | str, max_columns: int | None = None) -> str:
    r"""Returns `data` as one line of printable text, at most `max_columns` wide.

    Bytes that are not UTF-8 come out as `\xNN`. So do control characters; other
    characters that a terminal would act on or hide (bidirectional overrides, zero-width
    and unassigned ones, line separators) come out as `\uNNNN` or `\UNNNNNNNN`. A
    backslash stays as it is: the text is for reading, not for decoding again.

    Args:
      data: a line, or part of one.
      max_columns: columns of the terminal; wide characters take two. A longer text ends in `…`.
    """
    text = data.decode("utf-8", "surrogateescape") if isinstance(data, bytes) else data
    shown: list[str] = []
    columns = 0
    for character in text:
        piece = character if character.isprintable() else _escaped(character)
        width = _columns_of(piece)
        if max_columns is not None and columns + width > max_columns:
            return _cut("".join(shown), max_columns)
        shown.append(piece)
        columns += width
    return "".join(shown)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        # What "surrogateescape" makes of a byte that is not UTF-8.
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _columns_of(piece: str) -> int:
    if len(piece) > 1 or piece.isascii():
        return len(piece)
    if unicodedata.combining(piece):
        return 0
    return 2 if unicodedata.east_asian_width(piece) in "WF" else 1


def _cut(text: str, max_columns: int) -> str:
    room = max_columns - len(_ELLIPSIS)
    kept: list[str] = []
    for character in text:
        room -= _columns_of(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept) + _ELLIPSIS if max_columns > 0 else ""
