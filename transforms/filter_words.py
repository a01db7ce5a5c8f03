"""A filter in words, for job pages: the flag and the value that made it."""

from __future__ import annotations

from transforms.filter import AtLeast, ContainsText, LineFilter, MatchesRegex, OneOf


def filter_in_words(line_filter: LineFilter) -> str:
    """What a line must have to be an error line, such as `min_level=ERROR`."""
    if isinstance(line_filter, AtLeast):
        return f"min_level={line_filter.level.name}"
    if isinstance(line_filter, OneOf):
        return f"levels={','.join(level.name for level in sorted(line_filter.levels))}"
    if isinstance(line_filter, ContainsText):
        return f"contains={line_filter.text}"
    if isinstance(line_filter, MatchesRegex):
        return f"match={line_filter.pattern}"
    return f"word={line_filter.token}"
