"""What a person sees."""

from __future__ import annotations

import io
import json
import select

import pytest

from pipeline.console import Progress, Summary, print_json, print_result, print_results
from transforms.results import Result
from transforms.samples import Sample

MINUTE = 1_795_341_600_000  # 2026-11-22T10:00:00Z


def result(end_seconds: int, count: int, silence: str | None = None) -> str:
    """A result of a window of 30 s as JSON."""
    end = MINUTE + end_seconds * 1000
    return Result("errors", None, end - 30_000, end, count, 0, True, silence).to_json()


SUMMARY = Summary(
    records_expected=1_200,
    lines=1_200,
    errors=1,
    bad=0,
    tombstones=0,
    oversized=0,
    outside=0,
    windows=12,
    skipped_windows=0,
    topics="logs",
    partitions=2,
    seconds=9.87,
)


def test_json_lines_go_to_stdout_as_they_are_and_samples_to_stderr() -> None:
    """Stdout carries results and nothing else."""
    rows = [result(10, 3), result(20, 0, "no_errors")]
    out, err = io.StringIO(), io.StringIO()

    print_results(
        rows, [Sample(MINUTE + 10_000, 3, (b"a \x1b[31m", b"b"))], as_table=False, out=out, err=err
    )

    assert "".join(f"{row}\n" for row in rows) == out.getvalue()
    expected = "error lines up to 2026-11-22T10:00:10Z: 3\n    a \\x1b[31m\n    b\n"
    assert expected == err.getvalue()


def test_the_table_has_a_row_per_window_with_a_bar_or_the_reason_for_zero() -> None:
    """The longest bar is the highest count."""
    rows = [
        result(10, 1_500),
        result(20, 750),
        result(30, 0, "no_input"),
        result(40, 0, "no_errors"),
    ]
    out = io.StringIO()

    print_results(rows, [], as_table=True, out=out, err=io.StringIO())

    expected = [
        "window (UTC)                                   errors",
        f"2026-11-22T09:59:40Z - 2026-11-22T10:00:10Z     1,500  {'█' * 30}",
        f"2026-11-22T09:59:50Z - 2026-11-22T10:00:20Z       750  {'█' * 15}",
        "2026-11-22T10:00:00Z - 2026-11-22T10:00:30Z         0  no input",
        "2026-11-22T10:00:10Z - 2026-11-22T10:00:40Z         0  no errors",
    ]
    assert expected == out.getvalue().splitlines()


def test_samples_are_shown_also_when_results_go_to_a_file() -> None:
    """Without rows to stand before, they come one after the other."""
    samples = [Sample(MINUTE, 1, (b"a",)), Sample(MINUTE + 10_000, 1, (b"b",))]
    out, err = io.StringIO(), io.StringIO()

    print_results([], samples, as_table=True, out=out, err=err)

    expected = [
        "error lines up to 2026-11-22T10:00:00Z: 1",
        "    a",
        "error lines up to 2026-11-22T10:00:10Z: 1",
        "    b",
    ]
    assert ("", expected) == (out.getvalue(), err.getvalue().splitlines())


def test_the_summary_is_one_line_when_all_is_ordinary() -> None:
    """Lines, partitions, errors, windows, seconds."""
    expected = [
        "read 1,200 lines from 2 partitions of logs: 1 error line, 12 windows, 9.9 s",
    ]

    assert expected == list(SUMMARY.to_lines())


def test_the_summary_tells_what_is_out_of_the_ordinary() -> None:
    """Tombstones, bad and oversized lines, offsets without a record, silences left out."""
    changes = {"lines": 1_000, "bad": 3, "tombstones": 1, "oversized": 4, "skipped_windows": 9_000}
    summary = Summary(**{**SUMMARY.__dict__, **changes})

    expected = [
        "note: 1 record without a value (tombstones)",
        "note: 2 lines with a time that cannot be right: see --dead_letter and "
        "--max_future_seconds",
        "note: 4 lines longer than --max_line_bytes",
        "note: 193 offsets held no record (compacted, or the marker of a transaction)",
        "note: 9,000 windows in silences longer than --max_silence_seconds left out, "
        "each with no input",
    ]
    assert expected == list(summary.to_lines())[1:]


def test_details_off_a_terminal_have_lines_of_their_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Who tells them sees to it that they are few; what a broker says stays harmless."""
    with Progress() as progress:
        progress.detail("reading: 1 lines, 50 %")
        progress.detail("reading: 2 lines, 100 % [bold]")

    expected = "reading: 1 lines, 50 %\nreading: 2 lines, 100 % [bold]\n"
    assert (False, ("", expected)) == (progress.is_terminal, capsys.readouterr())


def test_progress_off_a_terminal_is_a_line_per_stage(capsys: pytest.CaptureFixture[str]) -> None:
    """What changes behind the colon is detail, shown once."""
    with Progress() as progress:
        progress.stage("waiting: 1 of 3")
        progress.stage("waiting: 2 of 3")
        progress.stage("reading 3 records")

    assert ("", "waiting: 1 of 3\nreading 3 records\n") == capsys.readouterr()


def test_an_amended_row_says_so() -> None:
    """A live table shows a window again when late lines amend it."""
    out = io.StringIO()
    amended = json.loads(result(10, 3)) | {"revision": 2}

    print_result(amended, 6, out=out)

    expected = (
        "2026-11-22T09:59:40Z - 2026-11-22T10:00:10Z         3  ███████████████"
        "  (amended, revision 2)\n"
    )
    assert expected == out.getvalue()


HOSTILE = "a\x1b]52;c;aGk=\x07\x1b[2J\x9b31m\x7f\u202e\u200b\r\nb"


def test_a_key_in_the_table_is_escaped() -> None:
    """A field of a log line names the series, and may hold anything."""
    hostile = Result("errors", HOSTILE, 0, 30_000, 2, 0, True, None)
    out = io.StringIO()

    print_results([hostile.to_json()], [], as_table=True, out=out, err=io.StringIO())

    row = out.getvalue().splitlines()[1]
    assert row.endswith("[a\\x1b]52;c;aGk=\\x07\\x1b[2J\\x9b31m\\x7f…]")
    assert row.isprintable()


def test_a_hostile_key_is_printable_in_json_too() -> None:
    """A terminal may show it; what comes back from it is the key."""
    line = Result("errors", HOSTILE, 0, 30_000, 2, 0, True, None).to_json()

    assert (True, True) == (line.isprintable(), line.isascii())
    assert HOSTILE == json.loads(line)["key"]


@pytest.mark.parametrize(
    ("length", "expected"), [(39, 1), (40, 2), (199, 5), (4_095, 100), (10_000, 100)]
)
def test_lines_are_written_whole_and_many_at_a_time(length: int, expected: int) -> None:
    """A pipe takes a write of 4,096 bytes in one piece: 20 lines of 199 characters."""
    writes: list[str] = []

    class Pipe(io.StringIO):
        def write(self, text: str) -> int:
            writes.append(text)
            return super().write(text)

    lines = [f"{number:05}".ljust(length, "x") for number in range(100)]
    pipe = Pipe()

    print_json(lines, out=pipe)

    assert lines == pipe.getvalue().splitlines()
    assert all(write.endswith("\n") for write in writes)
    assert (4_096, expected) == (select.PIPE_BUF, len(writes))
