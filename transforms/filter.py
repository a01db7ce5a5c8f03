"""What makes a line an error line: predicates over the bytes of a line.

They work on bytes, so a line that is no UTF-8 is decided like any other and never fails.
"""

from __future__ import annotations

import dataclasses
import re

DEFAULT_TOKEN = "ERROR"


@dataclasses.dataclass(frozen=True)
class ContainsToken:
    """True for a line that holds `token` as a word of its own.

    A word ends where no ASCII letter, digit or underscore follows: `[ERROR]` and
    `ERROR:` count, `ERROR_COUNT=0` and `TERRORS` do not.
    """

    token: str = DEFAULT_TOKEN

    def __post_init__(self) -> None:
        word = re.escape(self.token.encode("utf-8"))
        pattern = re.compile(rb"(?<![A-Za-z0-9_])" + word + rb"(?![A-Za-z0-9_])")
        object.__setattr__(self, "_search", pattern.search)

    def __call__(self, line: bytes) -> bool:
        """Decides one line."""
        return self._search(line) is not None  # type: ignore[attr-defined]

    def __reduce__(self) -> tuple[type[ContainsToken], tuple[str]]:
        # A bound method of a compiled pattern does not pickle; the token says it all.
        return ContainsToken, (self.token,)


@dataclasses.dataclass(frozen=True)
class ContainsText:
    """True for a line that holds `text` anywhere, the form of the classic log monitor."""

    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "_bytes", self.text.encode("utf-8"))

    def __call__(self, line: bytes) -> bool:
        """Decides one line."""
        return self._bytes in line  # type: ignore[attr-defined]


LinePredicate = ContainsToken | ContainsText
