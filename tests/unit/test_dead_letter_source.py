"""Dead letters read back from files that are still being written, and what is told of them."""

from __future__ import annotations

import argparse
import io
import pathlib
import threading

import pytest

from pipeline import cli
from pipeline.console import print_lines
from pipeline.dead_letter_choice import (
    DeadLetterChoice,
    OffsetChoice,
    add_dead_letter_flags,
    choice_from_flags,
)
from pipeline.dead_letter_console import follow_dead_letters
from pipeline.dead_letter_json import dead_letter_to_json
from pipeline.dead_letter_source import PathDeadLetters, source_from_flags
from pipeline.errors import UsageError
from transforms.dead_letters import NO_VALUE, OVERSIZED, TIMESTAMP, TOO_LATE, DeadLetter
from transforms.records import Record

MINUTE = 1_795_341_600_000  # 2026-11-22T10:00:00Z
REASONS = (NO_VALUE, TIMESTAMP, TOO_LATE, OVERSIZED)


def letter(offset: int, topic: str = "logs", partition: int = 0) -> DeadLetter:
    """A dead letter whose reason and second of time follow from its offset."""
    value = b"[ERROR] \x1b]0;x\x07" + b"%d" % offset
    record = Record(topic, partition, offset, MINUTE + offset * 1000, b"key", value)
    return DeadLetter(record, REASONS[offset % 4], "because\n")


def line(*args: object) -> str:
    """The JSON line of `letter(...)`."""
    return dead_letter_to_json(letter(*args)) + "\n"  # type: ignore[arg-type]


def flags(*arguments: str) -> argparse.Namespace:
    """Parsed flags of a command."""
    parser = argparse.ArgumentParser()
    add_dead_letter_flags(parser)
    return parser.parse_args(["--from=x", *arguments])


def chosen(*arguments: str) -> list[int]:
    """Offsets that the flags choose, of `logs[0]` 0 to 9."""
    choice = choice_from_flags(flags(*arguments))
    return [offset for offset in range(10) if letter(offset) in choice]


def test_all_files_of_a_folder_are_read_and_each_id_once(tmp_path: pathlib.Path) -> None:
    """A runner repeats bundles; other files are not looked at, half lines are left alone."""
    (tmp_path / "dead-letters-2026-11-22-a.jsonl").write_text(line(1) + line(2) + line(5)[:30])
    (tmp_path / "dead-letters-2026-11-22-b.jsonl").write_text(line(2) + "oops\n" + line(1, "web"))
    (tmp_path / "results-2026-11-22-a.jsonl").write_text("oops\n")
    source = PathDeadLetters(tmp_path)

    assert [letter(1), letter(2), letter(1, "web")] == list(source.read_all())
    assert 1 == source.bad_records


def test_a_follower_prints_what_is_there_when_it_is_told_to_end(tmp_path: pathlib.Path) -> None:
    """Each id once; the folder need not be there yet."""
    folder = tmp_path / "dead"
    stop = threading.Event()
    out = io.StringIO()
    stop.set()
    follow_dead_letters(str(folder), stop, out)
    (folder / "dead-letters-a.jsonl").write_text(line(1) + line(1))

    follow_dead_letters(str(folder), stop, out)

    assert line(1) == out.getvalue()


def test_a_follower_sees_files_come_and_grow(tmp_path: pathlib.Path) -> None:
    """While it runs."""
    path = tmp_path / "dead-letters-a.jsonl"
    path.write_text(line(1))
    stop = threading.Event()
    letters = PathDeadLetters(tmp_path).follow(stop)
    seen = [next(letters)]

    with path.open("a") as file:
        file.write(line(1) + line(2))
    (tmp_path / "dead-letters-b.jsonl").write_text(line(3))
    seen += [next(letters), next(letters)]
    stop.set()

    assert ([letter(1), letter(2), letter(3)], []) == (seen, list(letters))


def test_a_file_is_printed_as_it_is(tmp_path: pathlib.Path) -> None:
    """For `-` of a bounded run."""
    path = tmp_path / "dead.jsonl"
    path.write_text(line(1) + line(2))
    out = io.StringIO()

    print_lines(str(path), out)

    assert line(1) + line(2) == out.getvalue()


@pytest.mark.parametrize(
    ("arguments", "offsets"),
    [
        ([], [*range(10)]),
        (["--reason=too_late,no_value"], [0, 2, 4, 6, 8]),
        (["--reason=too_late", "--reason=oversized"], [2, 3, 6, 7]),
        (["--topic=web, logs"], [*range(10)]),
        (["--topic=web"], []),
        (["--from_time=2026-11-22T10:00:07Z"], [7, 8, 9]),
        (["--from_time=2026-11-22T12:00:06.001+02:00"], [7, 8, 9]),
        (["--to_time=2026-11-22T10:00:02Z"], [0, 1]),
        (["--offsets=logs[0]@2-3", "--offsets=logs[0]@7", "--offsets=logs[1]@5"], [2, 3, 7]),
        (["--offsets=logs[0]@2-7", "--reason=no_value"], [4]),
    ],
)
def test_flags_choose(arguments: list[str], offsets: list[int]) -> None:
    """Flags narrow each other; values of one flag add up."""
    assert offsets == chosen(*arguments)


def test_a_partition_is_part_of_a_range() -> None:
    """The same offset of another one is another record."""
    choice = DeadLetterChoice(offsets=(OffsetChoice("logs", 1, 0, 9),))

    assert [False, True] == [letter(1, "logs", partition) in choice for partition in (0, 1)]


def test_a_cluster_is_chosen_by_its_name() -> None:
    """The same topic of another cluster is another topic."""
    letters = [letter(1, topic) for topic in ("logs", "eu/logs", "us/logs")]

    found = [
        [one.record.topic for one in letters if one in choice_from_flags(flags(argument))]
        for argument in ("--source=eu", "--topic=logs", "--topic=us/logs", "--offsets=eu/logs[0]@1")
    ]

    assert [["eu/logs"], ["logs"], ["us/logs"], ["eu/logs"]] == found


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            "--reason=to_late",
            "--reason: not one of the choices, got 'to_late'. Did you mean too_late? "
            "Choices: no_value, timestamp, too_late, oversized.",
        ),
        ("--topic=a,,b", "--topic: an empty name, got 'a,,b'. See --help."),
        (
            "--from_time=yesterday",
            "--from_time: not a time, got 'yesterday'. Write it like 2026-11-22T10:00:00Z.",
        ),
        (
            "--to_time=2026-11-22T10:00:00",
            "--to_time: a time without its zone, got '2026-11-22T10:00:00'. "
            "Write it like 2026-11-22T10:00:00Z.",
        ),
        (
            "--offsets=logs@1-2",
            "--offsets: not a range of offsets, got 'logs@1-2'. Write it like 'logs[0]@17-20'.",
        ),
        (
            "--offsets=logs[0]@3-2",
            "--offsets: ends before it begins, got 'logs[0]@3-2'. Give the lower offset first.",
        ),
    ],
)
def test_a_choice_that_is_none_is_told_in_one_line(argument: str, message: str) -> None:
    """With the flag."""
    with pytest.raises(UsageError) as caught:
        choice_from_flags(flags(argument))

    assert message == str(caught.value)


def test_times_in_the_wrong_order_are_told() -> None:
    """They would choose nothing."""
    time = "2026-11-22T10:00:00Z"

    with pytest.raises(UsageError) as caught:
        choice_from_flags(flags(f"--from_time={time}", f"--to_time={time}"))

    assert str(caught.value).startswith(f"--to_time: not after --from_time, got '{time}'.")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "--from: no such folder or file, got 'nowhere'."),
        ("kafka:", "--from: no topic, got 'kafka:'."),
        ("kafka:dead", "--kafka_bootstrap_servers: missing."),
    ],
)
def test_a_source_that_cannot_be_is_told(source: str, message: str) -> None:
    """Before anything is read."""
    with pytest.raises(UsageError) as caught:
        source_from_flags(flags(f"--from={source}"))

    assert str(caught.value).startswith(message)


def test_the_command_lists_json_lines_in_a_pipe(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a summary by reason, and what was left out, on stderr."""
    path = tmp_path / "dead.jsonl"
    path.write_text(line(2) + line(6) + line(3) + line(3) + "{}\n" + line(1, "web"))

    code = cli.main(["dead-letters", f"--from={path}", "--topic=logs"])

    err = (
        "3 dead letters: 2 too_late, 1 oversized\n"
        f"note: 1 record is no dead letter and was left out of {path}\n"
    )
    assert (0, (line(2) + line(6) + line(3), err)) == (code, capsys.readouterr())


def test_the_command_shows_a_table_that_is_safe_for_a_terminal(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control characters of values and details are escaped, records without a value say so."""
    monkeypatch.setenv("COLUMNS", "80")
    path = tmp_path / "dead.jsonl"
    none = letter(4)._replace(record=letter(4).record._replace(value=None))
    path.write_text(f"{line(2)}{dead_letter_to_json(none)}\n")

    code = cli.main(["dead-letters", f"--from={path}", "--output_format=table"])

    expected = """\
dead letter              record timestamp         reason     line
logs/0/2                 2026-11-22T10:00:02Z     too_late   [ERROR] \\x1b]0;x\\x0…
    because\\x0a
logs/0/4                 2026-11-22T10:00:04Z     no_value   (no value)
    because\\x0a
"""
    assert 0 == code
    assert (expected, "2 dead letters: 1 too_late, 1 no_value\n") == capsys.readouterr()
