"""Filters in words."""

from __future__ import annotations

import pytest

from transforms.filter import AtLeast, ContainsText, ContainsToken, LineFilter, MatchesRegex, OneOf
from transforms.filter_words import filter_in_words
from transforms.levels import Level


@pytest.mark.parametrize(
    ("line_filter", "expected"),
    [
        (AtLeast(Level.WARN), "min_level=WARN"),
        (OneOf([Level.CRITICAL, Level.ERROR]), "levels=ERROR,CRITICAL"),
        (ContainsText("payment failed"), "contains=payment failed"),
        (MatchesRegex("5[0-9]{2}"), "match=5[0-9]{2}"),
        (ContainsToken(), "word=ERROR"),
    ],
)
def test_a_filter_is_told_by_its_flag(line_filter: LineFilter, expected: str) -> None:
    """As the user gave it."""
    assert expected == filter_in_words(line_filter)
