r"""What makes a line an error line: predicates over the bytes of a line and its level.

They work on bytes, so a line that is no UTF-8 is decided like any other and never fails.

Each has `needs_level`, whether it looks at the level at all, and `keep_all(lines, levels)`, which
decides many lines in one call. Filters by level keep a line whose level cannot be read if it holds
ERROR as a word of its own, unless it goes on with a stack trace.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import re2  # type: ignore[import-untyped]

from transforms.formats import envelopes
from transforms.formats.detect import MAX_ENVELOPES
from transforms.levels import Level

DEFAULT_TOKEN = "ERROR"

# How a stack trace goes on: indented, or with what Java and Python write at the left margin.
_CONTINUATION = re.compile(
    rb"[ \t]|(?:at |\.\.\. \d{1,9} (?:more|common frames omitted)|Caused by: |Suppressed: "
    rb"|Traceback \(most recent call last\):|File \"|During handling of the above exception"
    rb"|The above exception was the direct cause)"
)


def is_continuation(line: bytes) -> bool:
    """Whether a line is a part of a stack trace, so that it belongs to the line before it."""
    return _CONTINUATION.match(line) is not None


@dataclasses.dataclass(frozen=True)
class ContainsToken:
    """Keeps a line that holds `token` as a word of its own.

    A word ends where no ASCII letter, digit or underscore follows: `[ERROR]` and
    `ERROR:` count, `ERROR_COUNT=0` and `TERRORS` do not.
    """

    token: str = DEFAULT_TOKEN

    needs_level: ClassVar[bool] = False

    def __post_init__(self) -> None:
        token = self.token.encode("utf-8")
        pattern = re.compile(rb"(?<![A-Za-z0-9_])" + re.escape(token) + rb"(?![A-Za-z0-9_])")
        object.__setattr__(self, "_bytes", token)
        object.__setattr__(self, "_search", pattern.search)

    def __call__(self, line: bytes) -> bool:
        """Decides one line."""
        # Most lines do not hold it at all, which is told several times as fast.
        return (
            line.find(self._bytes) >= 0  # type: ignore[attr-defined]
            and self._search(line) is not None  # type: ignore[attr-defined]
        )

    def keep_all(self, lines: Sequence[bytes], levels: Sequence[Level | None] = ()) -> list[bool]:
        """Decides lines, whatever their levels."""
        token, search = self._bytes, self._search  # type: ignore[attr-defined]
        return [line.find(token) >= 0 and search(line) is not None for line in lines]

    def __reduce__(self) -> tuple[type[ContainsToken], tuple[str]]:
        # A bound method of a compiled pattern does not pickle; the token says it all.
        return ContainsToken, (self.token,)


@dataclasses.dataclass(frozen=True)
class ContainsText:
    """Keeps a line that holds `text` anywhere, the form of the classic log monitor."""

    text: str

    needs_level: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "_bytes", self.text.encode("utf-8"))

    def keep_all(self, lines: Sequence[bytes], levels: Sequence[Level | None] = ()) -> list[bool]:
        """Decides lines, whatever their levels."""
        text: bytes = self._bytes  # type: ignore[attr-defined]
        # `in` takes twice as long.
        return [line.find(text) >= 0 for line in lines]


@dataclasses.dataclass(frozen=True)
class MatchesRegex:
    """Keeps a line in which `pattern` is found, in time that grows with the line only.

    The syntax is RE2's: no back references and no looking around, so no pattern and no line
    can hold up the job. The pattern is text; where a line is no UTF-8, `.` and character classes do
    not match its odd bytes.

    Raises:
      ValueError: RE2 does not understand the pattern.
    """

    pattern: str

    needs_level: ClassVar[bool] = False

    def __post_init__(self) -> None:
        options = re2.Options()
        # Errors are raised here; its own log would put them on stderr a second time.
        options.log_errors = False
        try:
            compiled: Any = re2.compile(self.pattern.encode("utf-8"), options)
        except (re2.error, UnicodeEncodeError) as error:
            raise ValueError(f"bad pattern {self.pattern!r}: {_reason(error)}") from error
        object.__setattr__(self, "_search", compiled.search)

    def keep_all(self, lines: Sequence[bytes], levels: Sequence[Level | None] = ()) -> list[bool]:
        """Decides lines, whatever their levels."""
        search = self._search  # type: ignore[attr-defined]
        return [search(line) is not None for line in lines]

    def __reduce__(self) -> tuple[type[MatchesRegex], tuple[str]]:
        return MatchesRegex, (self.pattern,)


@dataclasses.dataclass(frozen=True)
class AtLeast:
    """Keeps a line that is as bad as `level` or worse.

    A line whose level cannot be read is kept if it looks like an error (see the module) and ERROR
    is bad enough.
    """

    level: Level = Level.ERROR

    needs_level: ClassVar[bool] = True

    def keep_all(self, lines: Sequence[bytes], levels: Sequence[Level | None]) -> list[bool]:
        """Decides lines of these levels, None where one cannot be read."""
        return _keep_levels(lines, levels, _FROM[self.level])


@dataclasses.dataclass(frozen=True)
class OneOf:
    """Keeps a line of one of `levels`.

    A line whose level cannot be read is kept if it looks like an error (see the module) and ERROR
    is one of them.

    Raises:
      ValueError: there is no level.
    """

    levels: frozenset[Level]

    needs_level: ClassVar[bool] = True

    def __init__(self, levels: Iterable[Level]) -> None:
        object.__setattr__(self, "levels", frozenset(levels))
        if not self.levels:
            raise ValueError("no level to keep")

    def keep_all(self, lines: Sequence[bytes], levels: Sequence[Level | None]) -> list[bool]:
        """Decides lines of these levels, None where one cannot be read."""
        return _keep_levels(lines, levels, self.levels)


LineFilter = ContainsText | MatchesRegex | AtLeast | OneOf | ContainsToken

_HAS_ERROR = ContainsToken()
_FROM = {level: frozenset(one for one in Level if one >= level) for level in Level}


def _keep_levels(
    lines: Sequence[bytes], levels: Sequence[Level | None], kept: frozenset[Level]
) -> list[bool]:
    unread = Level.ERROR in kept
    return [
        level in kept if level is not None else unread and looks_like_error(line)
        for line, level in zip(lines, levels, strict=True)
    ]


def looks_like_error(line: bytes) -> bool:
    """Of a line without a level: whether it holds ERROR as a word and is no part of a trace.

    In an envelope, what counts is the line in it.
    """
    if not _HAS_ERROR(line):
        return False
    inner = envelopes.innermost(line, MAX_ENVELOPES)
    if inner is not line and not _HAS_ERROR(inner):
        return False
    return not is_continuation(inner)


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
