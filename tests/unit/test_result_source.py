"""Results read from folders and files that are still being written."""

from __future__ import annotations

import argparse
import pathlib
import threading
from typing import Any

import pytest

from pipeline.errors import UsageError
from pipeline.result_source import (
    PathResults,
    add_source_flags,
    bad_lines_note,
    source_from_flags,
)
from pipeline.result_table import parse_result
from pipeline.sample_json import sample_to_json
from transforms.results import Result
from transforms.samples import Sample

MINUTE = 1_795_341_600_000  # 2026-11-22T10:00:00Z


def line(number: int) -> str:
    """The JSON line of window `number`."""
    end = MINUTE + number * 10_000
    return Result("errors", None, end - 30_000, end, number, 0, False, None).to_json() + "\n"


def results(*numbers: int) -> list[dict[str, Any] | None]:
    """The parsed results of windows."""
    return [parse_result(line(number).encode()) for number in numbers]


def append(path: pathlib.Path, text: str) -> None:
    """Writes at the end of a file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def flags(*arguments: str) -> argparse.Namespace:
    """Parsed flags of a source."""
    parser = argparse.ArgumentParser()
    add_source_flags(parser)
    return parser.parse_args(arguments)


class Follower:
    """Follows a source step by step."""

    def __init__(self, path: pathlib.Path) -> None:
        self._elements = PathResults(path).follow(threading.Event())

    def new(self) -> list[Any]:
        """What came since the last call, up to the next None."""
        found: list[Any] = []
        for one in self._elements:
            if one is None:
                break
            found.append(one)
        return found


def test_all_files_of_a_folder_are_read_and_others_are_not(tmp_path: pathlib.Path) -> None:
    """Every writer has files of its own; written twice is read twice."""
    append(tmp_path / "results-2026-11-22-a.jsonl", line(1) + line(2))
    append(tmp_path / "results-2026-11-22-b.jsonl", line(2) + line(3))
    append(tmp_path / "samples-2026-11-22-a.jsonl", "[1,1,[]]\n")
    append(tmp_path / "results-2026-11-22-c.jsonl.tmp", line(4))

    assert results(1, 2, 2, 3) == list(PathResults(tmp_path).read_all())


def test_a_torn_last_line_is_left_alone_and_other_lines_are_counted(
    tmp_path: pathlib.Path,
) -> None:
    """A killed writer leaves a torn line; one that is whole and no result is told."""
    append(tmp_path / "results-a.jsonl", line(1) + "oops\n" + line(2)[:40])
    append(tmp_path / "results-b.jsonl", line(2))
    source = PathResults(tmp_path)

    assert results(1, 2) == list(source.read_all())
    expected = f"note: 1 line is no result and was left out of {tmp_path}"
    assert expected == bad_lines_note(source)


def test_a_single_file_is_read_whatever_its_name(tmp_path: pathlib.Path) -> None:
    """Such as the output of a bounded run."""
    append(tmp_path / "counts.jsonl", line(1) + line(2))

    assert results(1, 2) == list(PathResults(tmp_path / "counts.jsonl").read_all())


def test_a_follower_sees_files_grow_and_come(tmp_path: pathlib.Path) -> None:
    """Nothing is seen twice; a line is seen when it is whole."""
    append(tmp_path / "results-b.jsonl", line(1))
    follower = Follower(tmp_path)
    seen = [follower.new(), follower.new()]

    append(tmp_path / "results-b.jsonl", line(2) + line(3)[:30])
    append(tmp_path / "results-a.jsonl", line(4))
    seen.append(follower.new())
    append(tmp_path / "results-b.jsonl", line(3)[30:] + line(5))
    seen.append(follower.new())

    assert [results(1), [], results(4, 2), results(3, 5)] == seen


def test_a_follower_gives_samples_before_the_results_that_came_with_them(
    tmp_path: pathlib.Path,
) -> None:
    """Bytes that are no UTF-8 come back as they were."""
    sample = Sample(MINUTE, 2, (b"\xff\n", b""))
    append(tmp_path / "results-a.jsonl", line(1))
    append(tmp_path / "samples-a.jsonl", sample_to_json(sample) + "\n")

    assert [sample, *results(1)] == Follower(tmp_path).new()


@pytest.mark.parametrize("text", ["1", "[1,2]", "[1,2,3]", '[1,2,["?"]]', '["1",2,[]]', "{", "[]"])
def test_a_line_that_is_no_sample_is_counted(tmp_path: pathlib.Path, text: str) -> None:
    """It does not end the follower."""
    append(tmp_path / "samples-a.jsonl", f"{text}\n")
    source = PathResults(tmp_path)

    assert next(source.follow(threading.Event())) is None
    assert 1 == source.bad_lines


def test_a_file_that_is_replaced_is_read_anew(tmp_path: pathlib.Path) -> None:
    """A bounded run puts a new file in the place of its last output."""
    path = tmp_path / "counts.jsonl"
    append(path, line(1) + line(2))
    follower = Follower(path)
    seen = [follower.new()]

    append(tmp_path / "new", line(3) + line(4))
    (tmp_path / "new").replace(path)
    seen.append(follower.new())

    assert [results(1, 2), results(3, 4)] == seen


def test_a_file_that_goes_away_is_no_failure(tmp_path: pathlib.Path) -> None:
    """Old files may be cleaned up while somebody watches."""
    append(tmp_path / "results-a.jsonl", line(1))
    follower = Follower(tmp_path)
    seen = [follower.new()]

    (tmp_path / "results-a.jsonl").unlink()
    seen.append(follower.new())

    assert [results(1), []] == seen


def test_a_follower_ends_when_told(tmp_path: pathlib.Path) -> None:
    """The event is looked at between elements, and while waiting."""
    stop = threading.Event()
    elements = PathResults(tmp_path).follow(stop)
    first = next(elements)

    stop.set()

    assert (None, []) == (first, list(elements))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--from=nowhere"],
            "--from: no such folder or file, got 'nowhere'. Give kafka:TOPIC, a folder or a file.",
        ),
        (["--from=kafka:"], "--from: no topic, got 'kafka:'. Write kafka:TOPIC."),
        (
            ["--from=kafka:counts"],
            "--kafka_bootstrap_servers: missing. Give the brokers, such as localhost:9092.",
        ),
    ],
)
def test_a_source_that_cannot_be_is_told_in_one_line(arguments: list[str], message: str) -> None:
    """Before anything is read."""
    with pytest.raises(UsageError) as caught:
        source_from_flags(flags(*arguments))

    assert message == str(caught.value)


def test_brokers_may_stand_in_the_settings_file(tmp_path: pathlib.Path) -> None:
    """As for the job."""
    path = tmp_path / "kafka.properties"
    path.write_text("bootstrap.servers=localhost:1\n")

    source = source_from_flags(flags("--from=kafka:counts", f"--consumer_config={path}"))

    assert "kafka:counts" == source.name
