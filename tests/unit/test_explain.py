"""What is said of one record."""

from __future__ import annotations

import pytest

from pipeline.config import JobConfig, config_from_flags
from pipeline.errors import UsageError
from pipeline.explain import Place, explain, parse_place, to_lines
from pipeline.flags import build_parser
from transforms.records import Record

NOW_MS = 1_764_000_000_000
PLACE = Place("", "logs", 0, 17)


def config(*arguments: str) -> JobConfig:
    """A job with some flags."""
    parser = build_parser()
    return config_from_flags(
        parser.parse_args(["--kafka_bootstrap_servers=a:1", "--input_topic=logs", *arguments])
    )


def record(value: bytes | None, at_ms: int = NOW_MS) -> Record:
    """The record of the place."""
    return Record("logs", 0, 17, at_ms, None, value)


def test_a_counted_line_is_told_with_its_key_and_windows() -> None:
    """The same code as in the job decides."""
    line = b'{"level":"error","service":"cart\x1b[2J"}'.replace(b"\x1b", b"\\u001b")

    told = explain(config("--group_by=service"), PLACE, record(line), NOW_MS)

    assert {
        "record": "logs[0]@17",
        "outcome": "counted",
        "reason": None,
        "detail": None,
        "level": "ERROR",
        "event_time": "2025-11-24T16:00:00Z",
        "event_time_from": "kafka",
        "kafka_time": "2025-11-24T16:00:00Z",
        "key": "cart\x1b[2J",
        "windows": [
            ["2025-11-24T15:59:40Z", "2025-11-24T16:00:10Z"],
            ["2025-11-24T15:59:50Z", "2025-11-24T16:00:20Z"],
            ["2025-11-24T16:00:00Z", "2025-11-24T16:00:30Z"],
        ],
        "too_late_after": "2025-11-24T17:00:10.500Z",
        "line": line.decode(),
    } == told
    assert [
        "logs[0]@17: counted: it is an error line",
        f"  line        {line.decode()}",
        "  level       ERROR",
        "  event time  2025-11-24T16:00:00Z (Kafka's)",
        "  key         cart\\x1b[2J",
        "  window      2025-11-24T15:59:40Z - 2025-11-24T16:00:10Z",
        "  window      2025-11-24T15:59:50Z - 2025-11-24T16:00:20Z",
        "  window      2025-11-24T16:00:00Z - 2025-11-24T16:00:30Z",
        "  live        counted if it was read before the job's watermark passed "
        "2025-11-24T17:00:10.500Z; else it is a dead letter, too_late",
    ] == list(to_lines(told))


def test_a_line_that_is_filtered_out_falls_in_windows_too() -> None:
    """They know that there was input."""
    told = explain(config(), PLACE, record(b"INFO ERROR_COUNT=0"), NOW_MS)

    assert ("filtered_out", 3, None) == (
        told["outcome"],
        len(told["windows"]),
        told["too_late_after"],
    )


def test_a_dead_letter_is_told_with_its_reason() -> None:
    """A time that cannot be right."""
    told = explain(config(), PLACE, record(b"ERROR", NOW_MS + 301_000), NOW_MS)

    assert ("dead_letter", "timestamp", []) == (told["outcome"], told["reason"], told["windows"])
    assert next(iter(to_lines(told))) == (
        "logs[0]@17: not counted: timestamp (Kafka's timestamp is 2025-11-24T16:05:01Z, more than "
        "300 s after the clock (2025-11-24T16:00:00Z))"
    )


@pytest.mark.parametrize(
    ("line", "source", "shown"),
    [
        (b"2025-11-24T15:59:58Z ERROR a", "line", "15:59:58Z (from the line; Kafka's is {})"),
        (b"2025-11-24T16:00:00Z ERROR a", "line", "16:00:00Z (from the line; Kafka's is {})"),
        (b"1985-11-24T16:00:00Z ERROR a", "line", "16:00:00Z (from the line; Kafka's is {})"),
        (b"  at a.b(C.java:1)", "kafka", "16:00:00Z (Kafka's)"),
        (None, "kafka", "16:00:00Z (Kafka's)"),
    ],
)
def test_it_is_told_where_the_event_time_comes_from(
    line: bytes | None, source: str, shown: str
) -> None:
    """Also if both times are the same, and for dead letters."""
    told = explain(config("--event_time=line"), PLACE, record(line), NOW_MS)

    assert source == told["event_time_from"]
    (text,) = (one for one in to_lines(told) if one.startswith("  event time"))
    assert text.endswith(shown.format("2025-11-24T16:00:00Z"))


def test_no_level_is_told_of_a_dead_letter() -> None:
    """Nobody looked for one."""
    told = explain(config(), PLACE, record(None), NOW_MS)

    assert [
        "logs[0]@17: not counted: no_value (the record has no value)",
        "  line        ",
        "  event time  2025-11-24T16:00:00Z (Kafka's)",
    ] == list(to_lines(told))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("logs[0]@17", PLACE),
        ("eu/logs.web[12]@0", Place("eu", "logs.web", 12, 0)),
    ],
)
def test_a_place_is_read_and_written(text: str, place: Place) -> None:
    """As in dead letters and the ledger."""
    assert place == parse_place(text)
    assert text == str(place)


@pytest.mark.parametrize("text", ["logs", "logs[0]", "logs@1", "[0]@1", "logs[-1]@1", "a b[0]@1"])
def test_what_is_no_place_is_refused(text: str) -> None:
    """In one line that shows how to write it."""
    with pytest.raises(UsageError, match="Write it like 'logs\\[0\\]@17'"):
        parse_place(text)


@pytest.mark.parametrize(
    ("from_time", "outcome", "windows"),
    [
        ("2025-11-24T16:00:00Z", "counted", ["2025-11-24T16:00:30Z"]),
        ("2025-11-24T15:59:50Z", "counted", ["2025-11-24T16:00:20Z", "2025-11-24T16:00:30Z"]),
        ("2025-11-24T16:00:10Z", "filtered_out", []),
    ],
)
def test_a_backfill_counts_what_lies_in_its_range(
    from_time: str, outcome: str, windows: list[str]
) -> None:
    """Of the windows of a line it tells those that lie wholly in it."""
    job = config(f"--from_time={from_time}", "--to_time=2025-11-24T16:01:00Z")

    told = explain(job, PLACE, record(b"[ERROR] disk full"), NOW_MS)

    assert (outcome, windows, None) == (
        told["outcome"],
        [end for _, end in told["windows"]],
        told["too_late_after"],
    )
    first = next(to_lines(told))
    outside = "not counted: outside of --from_time and --to_time"
    says = outside if outcome == "filtered_out" else "counted: it is an error line"
    assert f"logs[0]@17: {says}" == first
