"""Which of the results with one id is kept."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from pipeline.result_table import ResultTable, parse_result, to_line
from transforms.results import Result

MINUTE = 1_795_341_600_000  # 2026-11-22T10:00:00Z


def result(
    end_ms: int = MINUTE,
    count: int = 1,
    revision: int = 0,
    *,
    final: bool = False,
    key: str | None = None,
) -> dict[str, Any]:
    """A result in its parsed JSON form."""
    one = Result("errors", key, end_ms - 30_000, end_ms, count, revision, final, None)
    parsed = parse_result(one.to_json().encode())
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(
    "versions",
    [
        pytest.param(
            [
                result(count=1),
                result(count=4, revision=1),
                result(count=5, revision=2),
                result(count=5, revision=2, final=True),
            ],
            id="no fault",
        ),
        pytest.param(
            [
                result(count=1),
                result(count=2, revision=1),
                result(count=3, revision=2),
                result(count=5, revision=1),
                result(count=5, revision=1, final=True),
            ],
            id="a replay that tells in fewer revisions",
        ),
    ],
)
def test_the_result_that_knows_most_is_kept_in_every_order(versions: list[dict[str, Any]]) -> None:
    """A replay brings results again, in another order and in other revisions."""
    for order in itertools.permutations(versions):
        table = ResultTable()
        for one in order:
            table.add(one)
        assert [versions[-1]] == table.settled()


def test_adding_tells_whether_it_changed_what_is_kept() -> None:
    """The same again, and what is older, change nothing."""
    table = ResultTable()

    added = [
        table.add(result(count=1)),
        table.add(result(count=1)),
        table.add(result(count=4, revision=1)),
        table.add(result(count=1)),
        table.add(result(count=4, revision=1, final=True)),
        table.add(result(count=4, revision=1)),
    ]

    assert [True, False, True, False, True, False] == added


def test_of_one_revision_with_two_counts_the_higher_is_kept() -> None:
    """A replay may find more late lines for a revision than the first try did."""
    table = ResultTable()

    assert [True, True, False] == [table.add(result(count=count)) for count in (3, 5, 4)]
    assert [result(count=5)] == table.settled()


def test_results_are_ordered_by_window_end_then_key_with_the_total_first() -> None:
    """Milliseconds count too, though a whole second is written without them."""
    ordered = [
        result(MINUTE),
        result(MINUTE, key=""),
        result(MINUTE, key="a"),
        result(MINUTE, key="b"),
        result(MINUTE + 500),
        result(MINUTE + 1_000),
        result(253_402_300_800_000),  # the year 10000
    ]
    table = ResultTable()

    for one in reversed(ordered):
        table.add(one)

    assert ordered == table.settled()


def test_a_limited_table_keeps_the_newest_and_ignores_what_is_older() -> None:
    """Whoever watches for months does not fill the memory, nor sees old windows again."""
    table = ResultTable(limit=2)
    windows = [result(MINUTE + number * 10_000) for number in range(5)]

    assert [True] * 5 == [table.add(one) for one in windows]
    assert windows[3:] == table.settled()
    assert [False, False] == [table.add(windows[0]), table.add(windows[2])]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"not JSON",
        b"\xff",
        b"[" * 100_000,
        b"[]",
        b"{}",
        to_line(result() | {"count": True}).encode(),
        to_line(result() | {"count": "1"}).encode(),
        to_line(result() | {"final": 0}).encode(),
        to_line(result() | {"window_end": "\x1b[2J"}).encode(),
        to_line(result() | {"window_end": "2026-11-22T10:00:00Z\n"}).encode(),
    ],
)
def test_what_is_no_result_is_none(line: bytes) -> None:
    """Other JSON, other types, and times that are none."""
    assert parse_result(line) is None


def test_a_line_stays_as_it_was_written() -> None:
    """Reading and writing again gives the same bytes, also with fields of a later version."""
    line = Result("a b", "ü/\n", MINUTE - 30_500, MINUTE, 0, 2, True, "no_input").to_json()
    later = line[:-1] + ',"more":[1.5,null]}'

    for one in (line, later):
        parsed = parse_result(one.encode())
        assert parsed is not None
        assert one == to_line(parsed)
