"""The table of a live run, row by row."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from pipeline.console import TABLE_HEAD, LiveTable
from transforms.results import Result
from transforms.samples import Sample

MINUTE = 1_795_341_600_000  # 2026-11-22T10:00:00Z
HEAD = f"{TABLE_HEAD}\n"


class Terminal(io.StringIO):
    """Text that says it is a terminal."""

    def isatty(self) -> bool:
        """Always."""
        return True


def result(
    number: int, count: int = 0, revision: int = 0, *, final: bool = False
) -> dict[str, Any]:
    """The result of window `number`, whose end is so many slides after the minute."""
    end = MINUTE + number * 10_000
    silence = None if count else "no_input"
    one = Result("errors", None, end - 30_000, end, count, revision, final, silence)
    parsed: dict[str, Any] = json.loads(one.to_json())
    return parsed


def row(number: int, count: int = 0, note: str = "no input") -> str:
    """The row of window `number`."""
    one = result(number, count)
    return f"{one['window_start']} - {one['window_end']} {count:>9,}  {note}\n"


def table(*results: dict[str, Any], out: io.StringIO | None = None) -> str:
    """All that a table of the results shows."""
    out = out or io.StringIO()
    with LiveTable(out=out, err=io.StringIO()) as live:
        for one in results:
            live.show(one)
    return out.getvalue()


def test_a_window_is_shown_once_per_count() -> None:
    """Repetitions, older revisions and the same count as final are no news; amendments are."""
    shown = table(
        result(1, 2),
        result(1, 2),
        result(1, 4, 1),
        result(1, 2),
        result(1, 4, 1, final=True),
    )

    full = "█" * 30
    expected = HEAD + row(1, 2, full) + row(1, 4, f"{full}  (amended, revision 1)")
    assert expected == shown


def test_a_window_that_is_first_seen_as_final_is_shown() -> None:
    """Whoever comes late sees it all the same."""
    assert HEAD + row(1, 2, "█" * 30) == table(result(1, 2, final=True))


def test_a_silence_of_six_windows_is_shown_as_it_is() -> None:
    """Only a longer one is cut short."""
    rows = "".join(row(number) for number in range(6))

    assert HEAD + rows == table(*(result(number) for number in range(6)))


@pytest.mark.parametrize(("windows", "line"), [(7, "1 more window"), (8_646, "8,640 more windows")])
def test_the_rest_of_a_longer_silence_is_one_line(windows: int, line: str) -> None:
    """Coming back after a day does not flood a terminal; finals of it change nothing."""
    silence = [result(number) for number in range(windows)]
    finals = [one | {"final": True} for one in silence]
    rows = "".join(row(number) for number in range(6))

    shown = table(*silence, *finals, result(windows, 3))

    assert f"{HEAD}{rows}... {line} with no input\n{row(windows, 3, '█' * 30)}" == shown


def test_a_silence_that_goes_on_at_the_end_is_told_too() -> None:
    """Leaving the table finishes its last line."""
    rows = "".join(row(number) for number in range(6))

    shown = table(*(result(number) for number in range(8)))

    assert f"{HEAD}{rows}... 2 more windows with no input\n" == shown


def test_every_silence_begins_with_rows_again() -> None:
    """After something was shown it is news again."""
    seven = [result(number) for number in range(7)]
    others = [result(number) for number in range(8, 10)]

    shown = table(*seven, result(7, 1), *others)

    ends = "".join(row(number) for number in range(8, 10))
    assert shown.endswith(f"... 1 more window with no input\n{row(7, 1, '█' * 30)}{ends}")


def test_on_a_terminal_the_line_counts_up_in_place() -> None:
    """One sees that it goes on."""
    rows = "".join(row(number) for number in range(6))

    shown = table(*(result(number) for number in range(8)), out=Terminal())

    counting = "\r... 1 more window with no input\r... 2 more windows with no input\n"
    assert f"{HEAD}{rows}{counting}" == shown


def test_samples_and_notes_begin_on_a_line_of_their_own() -> None:
    """They may share the terminal with the line that counts up."""
    both = Terminal()
    with LiveTable(out=both, err=both) as live:
        for number in range(7):
            live.show(result(number))
        live.note("note: something")
        live.show_sample(Sample(MINUTE, 1, (b"\x1b[31m",)))

    expected = (
        "\r... 1 more window with no input\n"
        "note: something\n"
        "error lines up to 2026-11-22T10:00:00Z: 1\n"
        "    \\x1b[31m\n"
    )
    assert both.getvalue().endswith(expected)


def test_the_longest_bar_can_be_given() -> None:
    """So that the rows shown at the start have the same scale."""
    out = io.StringIO()
    with LiveTable(out=out, err=io.StringIO(), highest=10) as live:
        live.show(result(1, 5))

    assert HEAD + row(1, 5, "█" * 15) == out.getvalue()
