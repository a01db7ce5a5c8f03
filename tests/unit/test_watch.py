"""`error-windows watch` and `error-windows results` on folders."""

from __future__ import annotations

import json
import pathlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from pipeline import cli
from pipeline.console import TABLE_HEAD
from pipeline.sample_json import sample_to_json
from pipeline.watch import watch
from transforms.results import Result
from transforms.samples import Sample

MINUTE = 1_795_341_600_000  # 2026-11-22T10:00:00Z


def result(
    number: int, count: int = 1, revision: int = 0, *, final: bool = False, job: str = "errors"
) -> dict[str, Any]:
    """The result of window `number`."""
    end = MINUTE + number * 10_000
    one = Result(job, None, end - 30_000, end, count, revision, final, None)
    parsed: dict[str, Any] = json.loads(one.to_json())
    return parsed


def write(path: pathlib.Path, results: Sequence[dict[str, Any]]) -> None:
    """Writes results as a sink does."""
    path.write_text("".join(f"{json.dumps(one, separators=(',', ':'))}\n" for one in results))


class Script:
    """A source that gives what it is told to."""

    def __init__(self, *elements: dict[str, Any] | Sample | int | None) -> None:
        self.name = "script"
        self.bad_lines = 0
        self._elements = elements

    def read_all(self) -> Iterator[dict[str, Any]]:
        """Not asked for here."""
        raise NotImplementedError

    def follow(self, stop: threading.Event) -> Iterator[dict[str, Any] | Sample | None]:
        """Gives the elements; a number is that of bad lines from here on."""
        assert not stop.is_set()
        for one in self._elements:
            if isinstance(one, int):
                self.bad_lines = one
            else:
                yield one


def shown(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The JSON lines on stdout."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_watch_begins_with_the_newest_windows_and_goes_on_with_changes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What was written twice is shown once; amendments of older windows are shown."""
    source = Script(
        *(result(number) for number in (1, 3, 2, 3)),
        *(result(2, 5, 1), None),
        *(result(4), result(4), result(1, 7, 1), None),
        *(result(4, final=True), result(4)),
    )

    watch(source, as_table=False, last=2)

    expected = [
        *(result(2, 5, 1), result(3)),
        *(result(4), result(1, 7, 1), result(4, final=True)),
    ]
    assert expected == shown(capsys)


def test_watch_shows_only_the_job_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Several jobs may write to one place."""
    others = [result(number, job="other") for number in range(3)]

    watch(
        Script(*others, result(1), None, others[0], result(2)), as_table=False, last=1, job="errors"
    )

    assert [result(1), result(2)] == shown(capsys)


def test_watch_may_begin_with_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """With 0 only what comes from now on is shown."""
    watch(Script(result(1), None, result(1), result(2)), as_table=False, last=0)

    assert [result(2)] == shown(capsys)


def test_watch_shows_samples_once_and_those_of_shown_windows_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On stderr, each before its window."""
    samples = [Sample(MINUTE + number * 10_000, 1, (b"%d" % number,)) for number in range(4)]
    source = Script(
        *(samples[1], samples[2], result(1), result(2), None),
        *(samples[2], samples[3], result(3)),
    )

    watch(source, as_table=True, last=1)

    out, err = capsys.readouterr()
    assert [f"error lines up to 2026-11-22T10:00:{end}Z: 1" for end in (20, 30)] == [
        line for line in err.splitlines() if not line.startswith(" ")
    ]
    bar = "█" * 30
    assert [
        TABLE_HEAD,
        f"2026-11-22T09:59:50Z - 2026-11-22T10:00:20Z         1  {bar}",
        f"2026-11-22T10:00:00Z - 2026-11-22T10:00:30Z         1  {bar}",
    ] == out.splitlines()


def test_watch_tells_of_lines_that_are_no_results(capsys: pytest.CaptureFixture[str]) -> None:
    """At the start, and again when more of them came."""
    watch(Script(1, None, None, 3, None), as_table=False, last=1)

    expected = (
        "note: 1 line is no result and was left out of script\n"
        "note: 3 lines are no results and were left out of script\n"
    )
    assert ("", expected) == capsys.readouterr()


def test_watch_of_a_folder_ends_when_told(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The event that `stop` names also ends the waiting."""
    from pipeline.result_source import PathResults

    write(tmp_path / "results-a.jsonl", [result(1)])
    (tmp_path / "samples-a.jsonl").write_text(f"{sample_to_json(Sample(MINUTE, 1, (b'a',)))}\n")
    stop = threading.Event()

    class Ending(PathResults):
        def follow(self, stop: threading.Event) -> Iterator[dict[str, Any] | Sample | None]:
            for one in super().follow(stop):
                yield one
                if one is None:
                    stop.set()

    watch(Ending(tmp_path), as_table=False, last=20, stop=stop)

    assert [result(1)] == shown(capsys)


def test_results_prints_one_line_per_window_in_order(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Several files, results written twice, revisions."""
    write(tmp_path / "results-a.jsonl", [result(2), result(1), result(1, 5, 1)])
    write(tmp_path / "results-b.jsonl", [result(1), result(3), result(2, final=True)])

    assert 0 == cli.main(["results", f"--from={tmp_path}"])

    assert [result(1, 5, 1), result(2, final=True), result(3)] == shown(capsys)


@pytest.mark.parametrize(
    ("flag", "expected"),
    [("--final_only", [result(1, final=True)]), ("--job=other", [result(2, job="other")])],
)
def test_results_can_be_chosen(
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    flag: str,
    expected: list[dict[str, Any]],
) -> None:
    """Only what nothing can change any more, or only one job."""
    path = tmp_path / "counts.jsonl"
    write(path, [result(1, final=True), result(2, job="other"), result(3)])

    assert 0 == cli.main(["results", f"--from={path}", flag])

    assert expected == shown(capsys)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--settled"], [(1, 5, 0), (3, 1, 0), (4, 1, 0)]),
        (["--settled", f"--from_time={MINUTE - 20_000}"], [(1, 5, 0), (3, 1, 0), (4, 1, 0)]),
        (["--settled", f"--from_time={MINUTE - 19_999}"], [(3, 1, 0), (4, 1, 0)]),
        (["--from_time=2026-11-22T10:00:00Z"], [(3, 1, 0), (4, 1, 0)]),
        (["--to_time=2026-11-22T10:00:30Z"], [(1, 5, 2), (2, 1, 0), (3, 1, 0)]),
        (["--settled", "--to_time=2026-11-22T11:00:29.999+01:00"], [(1, 5, 0)]),
    ],
)
def test_results_of_a_range_are_told_as_a_backfill_tells_them(
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    expected: list[tuple[int, int, int]],
) -> None:
    """Windows that lie wholly in it, where nothing changes them any more, in revision 0."""
    path = tmp_path / "counts.jsonl"
    windows = [result(1, 5, 2, final=True), result(2), result(3, final=True), result(4, final=True)]
    write(path, windows)

    assert 0 == cli.main(["results", f"--from={path}", *flags])

    finals = {1: True, 2: False, 3: True, 4: True}
    assert [
        result(number, count, revision, final=finals[number])
        for number, count, revision in expected
    ] == shown(capsys)


def test_results_tells_of_lines_that_are_no_results(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not fatal, and not on stdout."""
    path = tmp_path / "counts.jsonl"
    path.write_text("oops\n")

    assert 0 == cli.main(["results", f"--from={path}"])

    expected = f"note: 1 line is no result and was left out of {path}\n"
    assert ("", expected) == capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["results"], "flags: the following arguments are required: --from. See --help."),
        (["watch", "--from=.", "--last=x"], "--last: not a whole number of at least 0, got 'x'."),
        (["watch", "--from=.", "--output_format=csv"], "--output_format: not one of the choices"),
        (["results", "--from=.", "--from_time=noon"], "--from_time: not a time, got 'noon'."),
        (["watch", "--from=nowhere"], "--from: no such folder or file, got 'nowhere'."),
    ],
)
def test_mistakes_are_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """Exit code 2, nothing on stdout."""
    assert 2 == cli.main(arguments)

    out, err = capsys.readouterr()
    assert ("", 1) == (out, len(err.splitlines()))
    assert err.startswith(f"error: {message}")
