"""How far a read is, in words."""

from __future__ import annotations

from unittest import mock

import pytest
from apache_beam.portability.api import metrics_pb2

from pipeline import read_progress
from pipeline.console import Progress
from pipeline.local_runner import records_read
from pipeline.read_progress import Reading, Report, State, reading_of, show_reading

PLACE = ("logs", "logs", 0)
OTHER = ("logs", "logs", 1)


def test_lines_percent_rate_and_time_left() -> None:
    """By what came in the last seconds; before anything came there is nothing to say."""
    report = Report(total=1_000_000)

    told = [
        report.text(State("reading", lines, offsets), seconds)
        for seconds, lines, offsets in (
            (10.0, 0, 0),
            (11.0, 0, 0),
            (12.0, 20_000, 20_000),
            (21.0, 200_000, 250_000),
            (31.0, 200_000, 250_000),
            (41.0, 999_000, 1_000_000),
        )
    ]

    expected = [
        "",
        "",
        "reading: 20,000 lines, 2 %, 20,000 lines/s, 49 s left",
        "reading: 200,000 lines, 25 %, 20,000 lines/s, 30 s left",
        # Nothing came since.
        "reading: 200,000 lines, 25 %",
        "reading: 999,000 lines, 100 %, 79,900 lines/s, 0 s left",
    ]
    assert expected == told


def test_the_rate_begins_anew_with_a_phase() -> None:
    """Counting what was read is another work than reading it."""
    report = Report(total=100)
    report.text(State("reading", 0, 0), 0.0)
    report.text(State("reading", 100, 100), 100.0)

    assert "counting: 10 lines, 10 %" == report.text(State("counting", 10, 10), 101.0)
    assert "counting: 60 lines, 60 %, 50 lines/s, 1 s left" == report.text(
        State("counting", 60, 60), 102.0
    )


@pytest.mark.parametrize(
    ("left", "expected"),
    [(59, "59 s"), (60, "1 min 0 s"), (3_599, "59 min 59 s"), (3_600, "1 h 0 min")],
)
def test_time_left_is_told_in_the_two_largest_units(left: int, expected: str) -> None:
    """Up to hours."""
    report = Report(total=1 + left)
    report.text(State("reading", 0, 0), 0.0)

    assert report.text(State("reading", 1, 1), 1.0).endswith(f", {expected} left")


def test_offsets_without_a_record_are_done_with_too() -> None:
    """A compacted topic is read to 100 %; a part of a split read counts as well."""
    reading = Reading(reads_first=False)
    reading.takes(PLACE, 10, 19, 10)
    reading.takes(OTHER, 0, 4, 5)
    reading.takes(PLACE, 25, 29, 3)
    assert State("reading", 18, 25) == reading.state()

    reading.takes(PLACE, 5, 9, 5)
    assert State("reading", 23, 30) == reading.state()


def test_where_java_reads_first_there_are_two_phases() -> None:
    """Counting begins when all has been read."""
    reading = Reading(reads_first=True)
    reading.has_read(7)
    assert State("reading", 7, 7) == reading.state()

    reading.takes(PLACE, 0, 1, 2)
    assert State("counting", 2, 2) == reading.state()


def _count(collection: str, payload: bytes) -> metrics_pb2.MonitoringInfo:
    return metrics_pb2.MonitoringInfo(
        urn="beam:metric:element_count:v1", labels={"PCOLLECTION": collection}, payload=payload
    )


def test_what_java_has_read_is_what_its_reading_steps_gave() -> None:
    """Of all clusters, and of each only once, whatever other steps tell."""
    step = "KafkaIO.Read/KafkaIO.ReadSourceDescriptors/ParMultiDo(Bounded)"
    infos = [
        _count(f"external_1/{step}.out0", b"\xc1\xdb\x04"),
        _count(f"external_2/{step}.out0", b"\x02"),
        _count(f"external_1/{step}.out1", b"\x07"),
        _count("external_1/Convert/ParMultiDo(Anonymous).output", b"\xc1\xdb\x04"),
        metrics_pb2.MonitoringInfo(urn="beam:metric:user:sum_int64:v1", payload=b"\x09"),
    ]

    assert 77_249 + 2 == records_read(infos)


@pytest.mark.parametrize(("is_terminal", "told"), [(True, True), (False, False)])
def test_a_short_read_says_nothing_off_a_terminal(*, is_terminal: bool, told: bool) -> None:
    """Lines come every ten seconds there; a terminal has one that changes."""
    progress = mock.create_autospec(Progress, is_terminal=is_terminal)
    with show_reading(progress, 10, reads_first=False) as reading:
        reading.takes(PLACE, 0, 9, 10)

    calls = [mock.call("reading: 10 lines, 100 %")] if told else []
    assert calls == progress.detail.mock_calls


def test_steps_find_what_they_tell_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is shown; in another process there is none."""
    monkeypatch.setattr(read_progress, "LINE_SECONDS", 0.0)
    progress = mock.create_autospec(Progress, is_terminal=False)
    with show_reading(progress, 10, reads_first=False) as reading:
        assert reading is reading_of(reading.number)

    assert reading_of(reading.number) is None
