"""Bar charts as SVG, written out by hand: no library is needed for a few bars."""

from __future__ import annotations

import html
from collections.abc import Sequence

_WIDTH, _ROW, _TOP = 760, 24, 40
_NAMES, _VALUES = 200, 110
_FULL = _WIDTH - _NAMES - _VALUES
# Readable on white and on black, as pages of both kinds show it.
_COLOURS = {True: "#2a78c2", False: "#8a8f98"}
_TEXT = "#59636e"


def bars(title: str, rows: Sequence[tuple[str, float, float, float, bool]]) -> str:
    """A bar for each row: name, value, lowest, highest, and whether it is to stand out."""
    height = _TOP + _ROW * len(rows) + 10
    most = max((highest for _, _, _, highest, _ in rows), default=1.0) or 1.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'font-family="sans-serif" font-size="12" fill="{_TEXT}" role="img">',
        f"<title>{html.escape(title)}</title>",
        f'<text x="8" y="22" font-size="14" font-weight="bold">{html.escape(title)}</text>',
    ]
    for number, (name, value, lowest, highest, stands_out) in enumerate(rows):
        top = _TOP + number * _ROW
        middle = top + _ROW / 2
        width = value / most * _FULL
        start, end = (_NAMES + one / most * _FULL for one in (lowest, highest))
        parts += [
            f'<text x="{_NAMES - 8}" y="{middle + 4:.1f}" text-anchor="end">'
            f"{html.escape(name)}</text>",
            f'<rect x="{_NAMES}" y="{top + 4}" width="{width:.1f}" height="{_ROW - 8}" '
            f'fill="{_COLOURS[stands_out]}"/>',
            f'<line x1="{start:.1f}" x2="{end:.1f}" y1="{middle:.1f}" y2="{middle:.1f}" '
            f'stroke="{_TEXT}" stroke-width="2"/>',
            f'<text x="{end + 6:.1f}" y="{middle + 4:.1f}">{value:,.0f}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
