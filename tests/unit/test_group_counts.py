"""What a bundle adds to series, by group and pane."""

from __future__ import annotations

from transforms.group_counts import GroupSums
from transforms.key_bound import OTHER
from transforms.panes import with_errors
from transforms.series import TOTAL, group_of_series, series_of_key


def test_without_grouping_there_is_only_the_total() -> None:
    """The oldest pane comes first, whatever came first."""
    sums = GroupSums(None)
    sums.add(7, (None,), (1,), (5,))
    sums.add(6, (None,), (2,), (4,))
    sums.add(7, (None,), (1,), (1,))

    assert [(TOTAL, ((6, (TOTAL,), (2,), (4,)), (7, (TOTAL,), (2,), (6,))))] == list(
        sums.by_group()
    )


def test_every_key_is_in_its_group_and_all_are_in_the_total() -> None:
    """By hand: zlib.crc32(b"=a") % 8 is 5, that of b"=b" is 7 and that of b"=d" is 2."""
    sums = GroupSums({"a", "b", "d"})
    sums.add(4, ("a", "b"), (1, 0), (3, 2))
    sums.add(3, ("d", "a"), (0, 6), (1, 7))

    groups = dict(sums.by_group())

    assert ((3, (TOTAL,), (6,), (8,)), (4, (TOTAL,), (1,), (5,))) == groups.pop(TOTAL)
    assert {
        group_of_series("=a"): ((3, ("=a",), (6,), (7,)), (4, ("=a",), (1,), (3,))),
        group_of_series("=b"): ((4, ("=b",), (0,), (2,)),),
        group_of_series("=d"): ((3, ("=d",), (0,), (1,)),),
    } == groups
    assert 3 == len(groups)


def test_keys_without_a_series_share_one() -> None:
    """Their lines are counted for the operator."""
    sums = GroupSums({"a"})
    sums.add(4, ("x", "a", "y"), (1, 2, 3), (10, 20, 30))

    groups = dict(sums.by_group())

    other = series_of_key(OTHER)
    assert 40 == sums.lines_of_others
    assert ((4, (TOTAL,), (6,), (60,)),) == groups[TOTAL]
    assert (4, (other,), (4,), (40,)) in groups[group_of_series(other)]


def test_a_key_named_like_the_others_is_one_of_them() -> None:
    """What it counts is added to what they count, not lost."""
    sums = GroupSums({OTHER})
    sums.add(4, (OTHER, "x"), (1, 2), (3, 4))

    series = series_of_key(OTHER)
    assert ((4, (series, series), (1, 2), (3, 4)),) == dict(sums.by_group())[
        group_of_series(series)
    ]


def test_of_a_closed_pane_only_keys_with_errors_are_left() -> None:
    """An error line is never lost; lines that are none change no final window."""
    assert (4, ("b",), (2,), (3,)) == with_errors((4, ("a", "b", "c"), (0, 2, 0), (1, 3, 1)))

    sums = GroupSums({"a"})
    sums.add(*with_errors((4, ("a",), (0,), (1,))))
    assert [] == list(sums.by_group())
