"""A backfill counts what a live job counted that read all of the topic.

Times of these tests are seconds on the day of the examples, from 10:00 on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from apache_beam.utils.windowed_value import WindowedValue
from confluent_kafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from pipeline import backfill, time_range
from pipeline.backfill import Offsets, find_offsets, first_settled, read_times
from pipeline.config import JobConfig, config_from_flags
from pipeline.flags import build_parser
from pipeline.record_times import BLOCK_RECORDS
from tests.reference import reference_backfill
from transforms.batches import batch_of
from transforms.ledger import PartitionLedger
from transforms.name_series import _NameFn
from transforms.pane_range import PaneRange
from transforms.panes import BundleCounts, CountPanesFn, Counts
from transforms.records import Record
from transforms.series import TOTAL
from transforms.silence import WindowCounts, _FillFn

TEN_MS = 1_795_341_600_000  # 2026-11-22T10:00:00Z
NOON_MS = TEN_MS + 7_200_000
FORGED_MS = 4_102_444_800_000  # 2100
LATENESS, FUTURE, SILENCE, IDLE = 20, 5, 120, 40


@pytest.fixture(autouse=True, scope="module")
def _noon() -> Any:
    """The clock of all that asks for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time_range, "wall_clock_ms", lambda: NOON_MS)
        patch.setattr(backfill, "wall_clock_ms", lambda: NOON_MS)
        yield


class Topic(NamedTuple):
    """A topic without a broker: of every partition the first offset, and the records from it on."""

    partitions: list[tuple[int, list[tuple[int, bytes | None]]]]

    @property
    def places(self) -> list[TopicPartition]:
        """Its partitions."""
        return [TopicPartition("logs", number) for number in range(len(self.partitions))]

    def earliest_offsets(self, _: Sequence[TopicPartition]) -> list[int]:
        """Of the first records that are there."""
        return [first for first, _ in self.partitions]

    def latest_offsets(self, _: Sequence[TopicPartition]) -> list[int]:
        """Behind the last records."""
        return [first + len(records) for first, records in self.partitions]

    def offsets_at(self, _: Sequence[TopicPartition], time_ms: int) -> list[int | None]:
        """What brokers answer."""
        return [
            next((first + at for at, one in enumerate(records) if one[0] >= time_ms), None)
            for first, records in self.partitions
        ]

    def of_records(self, partition: TopicPartition, offset: int) -> list[int]:
        """Timestamps from an offset on."""
        first, records = self.partitions[partition.partition]
        return [one[0] for one in records[offset - first :][:BLOCK_RECORDS]]

    def all_records(self) -> list[tuple[int, bytes | None]]:
        """Of all partitions."""
        return [one for _, records in self.partitions for one in records]


def at(*seconds: float, begin: int = 0) -> tuple[int, list[tuple[int, bytes | None]]]:
    """A partition of error lines with these times."""
    return begin, [(TEN_MS + round(second * 1000), b"level=error") for second in seconds]


def config(*arguments: str, from_seconds: int | None, to_seconds: int | None) -> JobConfig:
    """A job with windows of 30 s every 10 s, and times that tests can do with."""
    times = [
        f"--{name}={TEN_MS + seconds * 1000}"
        for name, seconds in (("from_time", from_seconds), ("to_time", to_seconds))
        if seconds is not None
    ]
    flags = build_parser().parse_args(
        [
            *("--kafka_bootstrap_servers=kafka:9092", "--input_topic=logs"),
            f"--allowed_lateness_seconds={LATENESS}",
            f"--max_future_seconds={FUTURE}",
            f"--max_silence_seconds={SILENCE}",
            f"--series_idle_seconds={IDLE}",
            *times,
            *arguments,
        ]
    )
    return config_from_flags(flags)


def offsets(topic: Topic, job: JobConfig) -> Offsets:
    """What the job reads."""
    times = read_times(job)
    assert times is not None
    return find_offsets(topic, topic, topic.places, times)  # type: ignore[arg-type]


class Outcome(NamedTuple):
    """What a job makes of what it reads."""

    results: list[dict[str, Any]]
    tallies: dict[str, int]


def run(topic: Topic, job: JobConfig) -> Outcome:
    """All steps of a bounded job on the records that it reads, without a runner."""
    count = CountPanesFn(job.rules, job.grid, 0, "", None, lambda: NOON_MS, job.panes)
    name = _NameFn(job.grid)
    windows: dict[str, dict[int, list[int]]] = {}
    tallies: dict[str, int] = {}
    starts, stops, _ = offsets(topic, job)
    count.start_bundle()
    outputs: list[Any] = []
    for number, (first, records) in enumerate(topic.partitions):
        read = [
            Record("logs", number, first + index, time_ms, None, value)
            for index, (time_ms, value) in enumerate(records)
            if starts[number] <= first + index < stops[number]
        ]
        # Two batches, as they come from readers.
        halves = (read[: len(read) // 2], read[len(read) // 2 :])
        outputs += [one for half in halves if half for one in count.process(batch_of(half))]
    for output in [*outputs, *count.finish_bundle()]:
        value = output.value if not isinstance(output, WindowedValue) else output
        value = value.value if isinstance(value, WindowedValue) else value
        if isinstance(value, BundleCounts):
            keys = frozenset(key for pane in value.panes for key in pane[1] if key is not None)
            for stamped in name.process(value, keys):
                series, counts = stamped.value
                pane = job.grid.pane_of(stamped.timestamp.micros // 1000)
                for index in job.grid.windows_of(pane):
                    numbers = windows.setdefault(series, {}).setdefault(index, [0, 0])
                    numbers[0] += counts.errors
                    numbers[1] += counts.lines
        elif getattr(output, "tag", "") == CountPanesFn.SPANS:
            ledger = PartitionLedger(1_440)
            ledger.add(value[1])
            row = list(ledger.rows("errors", "logs", 0))[-1]
            assert row.balanced
            for field, number in row.tally._asdict().items():
                tallies[field] = tallies.get(field, 0) + number
    timing = job.timing
    fill = _FillFn(
        job.grid, "errors", timing.max_silence_ms // 1000, timing.series_idle_ms // 1000, job.panes
    )
    last = max(windows[TOTAL], default=None) if windows else None
    results = [
        json.loads(result.to_json())
        for series, of_series in windows.items()
        for result in fill.process(
            (series, [WindowCounts(index, Counts(*one)) for index, one in of_series.items()]), last
        )
    ]
    return Outcome(sorted(results, key=lambda one: (one["window_end"], one["key"] or "")), tallies)


def counts(topic: Topic, job: JobConfig) -> list[tuple[int, int, str | None]]:
    """Window end in seconds, count and silence of every result."""
    return [
        (
            3_600 * (int(one["window_end"][11:13]) - 10)
            + 60 * int(one["window_end"][14:16])
            + int(one["window_end"][17:19]),
            one["count"],
            one["silence"],
        )
        for one in run(topic, job).results
    ]


def test_only_windows_wholly_in_the_range_are_told_and_hold_all_their_lines() -> None:
    """From the first grid point at or after the beginning to the last at or before the end.

    Of the range 10:00:25 - 10:01:15 these begin at 30, 40, and end at 60 and 70: 29.999 and 70 are
    lines of neither, 30 and 69.999 are.
    """
    topic = Topic([at(0, 29.999, 30, 40, 45, 59, 60, 69.999, 70)])
    job = config(from_seconds=25, to_seconds=75)

    assert PaneRange((TEN_MS // 10_000) + 3, (TEN_MS // 10_000) + 7) == job.panes
    assert [(60, 4, None), (70, 5, None)] == counts(topic, job)


def test_lines_that_stand_behind_later_ones_are_counted() -> None:
    """Up to the allowed lateness, 20 s, and not from the place on that is known to be settled.

    The range ends at 60, so what is 60 + 20 + 0.5 + 5 s or later, and followed by such, ends it.
    """
    topic = Topic([at(31, 75, 59, 85.499, 32, 85.5, 90, 200)])
    job = config(from_seconds=30, to_seconds=60)

    assert ([0], [5]) == offsets(topic, job)[:2]
    assert [(60, 3, None)] == counts(topic, job)


def test_the_ledger_balances_and_lines_outside_are_filtered_out() -> None:
    """Three lines of the range, one before it and two behind it."""
    topic = Topic([at(20, 31, 75, 59, 85.499, 32, 85.5, 90)])
    job = config(from_seconds=30, to_seconds=60)

    expected = {"counted": 3, "filtered_out": 3, "bad": 0, "too_late": 0, "oversized": 0}
    assert expected == run(topic, job).tallies


def test_zeros_at_the_beginning_follow_a_line_before_it() -> None:
    """As far as the longest silence, 120 s, reaches from there; a live job told these too."""
    silent = Topic([at(3, 250)])

    assert [(200, 0, "no_input")] == counts(
        Topic([at(100, 250)]), config(from_seconds=170, to_seconds=200)
    )
    # The newest window of the line at 3 s ends at 30: zeros to 150, and none before the next line.
    assert [(130, 0, "no_input"), (140, 0, "no_input"), (150, 0, "no_input")] == counts(
        silent, config(from_seconds=100, to_seconds=200)
    )
    assert [] == counts(silent, config(from_seconds=130, to_seconds=200))


def test_zeros_go_on_to_the_end_of_the_range() -> None:
    """Also where the topic ends before it; a live job went on."""
    expected = [(30, 1, None), (40, 0, "no_input"), (50, 0, "no_input")]

    assert expected == counts(Topic([at(9)]), config(from_seconds=0, to_seconds=55))


def test_one_bound_is_enough() -> None:
    """From a time to the end of the topic, or from its beginning to a time."""
    topic = Topic([at(5, 15, 45)])

    from_then = [(40, 1, None), (50, 1, None), (60, 1, None), (70, 1, None)]
    assert from_then == counts(topic, config(from_seconds=10, to_seconds=None))
    to_then = [(10, 1, None), (20, 2, None), (30, 2, None)]
    assert to_then == counts(topic, config(from_seconds=None, to_seconds=30))


def test_a_line_with_its_own_time_is_found_on_both_sides() -> None:
    """Its record may be earlier by as much as `--max_future_seconds`, or late as any."""

    def line(record_seconds: int, second: int) -> tuple[int, bytes]:
        return (
            TEN_MS + record_seconds * 1000,
            b"2026-11-22T10:00:%02dZ ERROR disk full" % second,
        )

    topic = Topic([(0, [line(25, 30), line(29, 29), line(50, 45), line(84, 59), line(86, 58)])])
    job = config("--event_time=line", from_seconds=30, to_seconds=60)

    assert ([0], [4]) == offsets(topic, job)[:2]
    assert [(60, 3, None)] == counts(topic, job)


def test_what_retention_has_taken_is_told() -> None:
    """How many partitions lack how much; one that begins with the topic lacks nothing."""
    topic = Topic([at(95, 100, 130, begin=7), at(100, 130), at(20, 50, begin=5)])

    notes = offsets(topic, config(from_seconds=30, to_seconds=120)).notes

    expected = (
        "note: 1 of 3 partitions may no longer hold the beginning of the range: their first record "
        "is up to 65 s after --from_time (2026-11-22T10:01:35Z). Windows before that count what is "
        "left"
    )
    assert [expected] == notes


def test_a_range_that_lines_may_still_come_for_is_told() -> None:
    """The end of the range is past, the allowed lateness after it is not."""
    notes = offsets(Topic([at(0)]), config(from_seconds=0, to_seconds=7_190)).notes

    expected = (
        "note: lines of the range may still come until 2026-11-22T12:00:15.500Z, and a live job "
        "counts them too"
    )
    assert [expected] == notes


@pytest.mark.parametrize(
    ("times_ms", "expected"),
    [
        ([50, 99, 110, 115, 120], 2),
        ([50, 99, FORGED_MS, 60, 70, 105, 110, 111], 8),
        ([50, FORGED_MS], 1),
        ([50, FORGED_MS, 104, 105, 106], 5),
        ([FORGED_MS, *([50] * 1_000), *([200] * 10_000)], 1_001),
    ],
)
def test_a_forged_time_does_not_end_a_read(times_ms: list[int], expected: int) -> None:
    """What follows decides; it is found by looking at few records, and overshoots by few."""
    looks = 0

    def times_at(offset: int) -> list[int]:
        nonlocal looks
        looks += 1
        return times_ms[offset:][:BLOCK_RECORDS]

    candidate = next(at for at, time_ms in enumerate(times_ms) if time_ms >= 110)
    found = first_settled(
        candidate, len(times_ms), wanted_ms=range(100), settled_ms=110, times_at=times_at
    )

    assert expected <= found <= expected + BLOCK_RECORDS
    assert looks <= 12


STEPS = st.tuples(
    st.integers(0, 40_000),  # after the one before
    st.one_of(st.just(0), st.integers(0, LATENESS * 1000)),  # how late it is
    st.sampled_from([b"level=error service=a", b"level=error service=b", b"level=info service=a"]),
    st.sampled_from([False] * 7 + [True]),  # forged
)


@st.composite
def topics(draw: st.DrawFn) -> Topic:
    """Lines of some minutes, in disorder up to the allowed lateness, and forged times."""
    partitions = []
    for _ in range(draw(st.integers(1, 3))):
        now_ms, records = TEN_MS, []
        for step_ms, late_ms, value, is_forged in draw(st.lists(STEPS, max_size=25)):
            now_ms += step_ms
            records.append((FORGED_MS if is_forged else now_ms - late_ms, value))
        partitions.append((0, records))
    return Topic(partitions)


@given(
    topics(),
    st.integers(-60, 600),
    st.integers(40, 300),
    st.booleans(),
)
def test_a_backfill_equals_what_a_live_job_settles_on(
    topic: Topic, from_seconds: int, length: int, grouped: bool
) -> None:
    """Whatever the range, the disorder and the silences; the ledger accounts for all it read."""
    grouping = ["--group_by=service"] if grouped else []
    job = config(*grouping, from_seconds=from_seconds, to_seconds=from_seconds + length)
    usable = [one for one in topic.all_records() if one[0] != FORGED_MS]

    expected = reference_backfill(
        usable,
        TEN_MS + from_seconds * 1000,
        TEN_MS + (from_seconds + length) * 1000,
        is_error=lambda line: b"error" in line,
        key_of=(lambda line: line.rpartition(b"=")[2].decode()) if grouped else None,
        max_silence_seconds=SILENCE,
        series_idle_seconds=IDLE,
    )

    found = run(topic, job)
    assert expected == found.results
    starts, stops, _ = offsets(topic, job)
    read = sum(stop - start for start, stop in zip(starts, stops, strict=True))
    assert read == sum(found.tallies.values())
