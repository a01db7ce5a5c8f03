"""The native reader's part without a broker: batches of messages, claims, splits, watermarks."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from apache_beam.io.restriction_trackers import OffsetRange as Restriction
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.utils.timestamp import Duration
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from pipeline import native_source
from pipeline.end_offsets import EndOffsets
from pipeline.errors import ServiceError
from pipeline.kafka_client import Remember
from pipeline.kafka_properties import KafkaProperties
from pipeline.native_source import ReadKafkaBatches, claim, reached_ms, whole_seconds
from pipeline.offset_ranges import OffsetRange
from pipeline.partition_reader import (
    ExpiredOffsetError,
    MessageBatch,
    PartitionReader,
    reader_settings,
)
from pipeline.restrictions import NO_END, EndlessTracker
from transforms.batches import RecordBatch, record_at
from transforms.beam_time import milliseconds_of
from transforms.records import Header, Record


def message(offset: int) -> Message:
    """A record whose timestamp is told by its offset."""
    return Message(
        topic="logs",
        partition=3,
        offset=offset,
        key=b"k",
        value=b"line",
        headers=[("team", b"a"), ("none", None)],
        timestamp=(1, 1_000 + offset),
    )


def batch(*offsets: int) -> MessageBatch:
    """A batch of such records."""
    return MessageBatch("logs", 3, [message(offset) for offset in offsets])


def test_a_batch_has_what_the_messages_have() -> None:
    """Also when offsets are missing in between, and after the way to another process."""
    expected = Record(
        "logs", 3, 9, 1_009, b"k", b"line", [Header("team", b"a"), Header("none", None)]
    )
    for one in (batch(5, 9), pickle.loads(pickle.dumps(batch(5, 9)))):
        assert ([5, 9], expected) == (list(one.offsets), record_at(one, 1))
    assert isinstance(pickle.loads(pickle.dumps(batch(1))), RecordBatch)
    assert range(5, 8) == batch(5, 6, 7).offsets


def test_keys_and_headers_are_fetched_once() -> None:
    """Who takes out one record after the other would fetch those of all for each."""
    one = batch(5, 9)
    keys, headers = one.keys, one.headers
    assert keys is one.keys
    assert headers is one.headers


def test_what_lies_behind_a_stop_is_cut_off() -> None:
    """A stop may fall into a hole."""
    assert [5, 6] == list((batch(5, 6, 9).until(8) or batch(0)).offsets)
    assert batch(5, 6).until(5) is None


class Reader:
    """Takes the place of a `PartitionReader`: gives what it was told to."""

    def __init__(self, outcomes: Sequence[MessageBatch | int | Exception | None]) -> None:
        self._outcomes = list(outcomes)
        self.next_offset = 0
        self.caught_up_ms = 0
        self.topic, self.partition = "logs", 3
        self.trouble = "connection refused"
        self.stuck_seconds = 0.0
        self.skipped = self.reconnected = 0
        self.waiting = 0

    def known_to_wait(self) -> int:
        """What the test says."""
        return self.waiting

    def read(self, timeout_seconds: float) -> MessageBatch | None:
        """The next outcome; a number is an offset that holds no record and nothing after it."""
        outcome = self._outcomes.pop(0) if self._outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, int):
            self.next_offset = outcome
            return None
        if outcome is not None:
            self.next_offset = outcome.offsets[-1] + 1
            self.caught_up_ms = 0
        return outcome

    def look_for_end(self) -> int | None:
        """No broker answers unless the test says so."""
        return self.next_offset if self.caught_up_ms else None

    def skip_expired(self) -> tuple[int, int]:
        """Counts."""
        self.skipped += 1
        return 0, 0

    def reconnect(self) -> None:
        """Counts."""
        self.reconnected += 1

    def close(self) -> None:
        """Does nothing."""


class Clock:
    """A clock that goes on by a tenth of a second with every look."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def monotonic(self) -> float:
        """Seconds."""
        self._seconds += 0.1
        return self._seconds


class Tracker(EndlessTracker):
    """As Beam hands it to a DoFn: with a way to give back the rest."""

    residual: Restriction | None = None
    delay: Any = None

    def defer_remainder(self, delay: Any = None) -> None:
        """Gives back what is not claimed."""
        self.delay = delay
        split = self.try_split(0)
        if split is not None:
            self.residual = split[1]


def play(
    fn: Any, monkeypatch: pytest.MonkeyPatch, reader: Reader, restriction: Restriction, **more: Any
) -> tuple[list[int], Tracker]:
    """One call: the offsets it gave, and the tracker afterwards."""
    monkeypatch.setattr(native_source, "time", Clock())
    monkeypatch.setattr(native_source, "PartitionReader", lambda *_, **__: reader)
    tracker = Tracker(restriction)
    element = OffsetRange("logs", 3, restriction.start, restriction.stop)
    given_batches = [one.value for one in fn.process(element, tracker=tracker, **more)]
    tracker.check_done()
    return [offset for one in given_batches for offset in one.offsets], tracker


def bounded() -> Any:
    """The reader of a range."""
    return ReadKafkaBatches({}, [OffsetRange("logs", 3, 0, 10)])._fn


def play_tail(
    monkeypatch: pytest.MonkeyPatch, reader: Reader, estimator: ManualWatermarkEstimator
) -> tuple[list[int], Tracker]:
    """One call of the reader without an end, from the beginning."""
    offsets = [OffsetRange("logs", 3, 0, 10)]
    fn = ReadKafkaBatches({}, offsets, live=True, on_time_delay_ms=500)._fn
    return play(
        fn, monkeypatch, reader, Restriction(0, NO_END), finalizer=None, estimator=estimator
    )


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([batch(0, 1, 2), batch(3, 4)], [0, 1, 2, 3, 4]),
        # More than was wanted; holes in the middle and behind; nothing for a while; nothing at all.
        ([batch(0, 1, 2), batch(3, 4, 5, 6)], [0, 1, 2, 3, 4]),
        ([batch(1), None, batch(3, 7)], [1, 3]),
        ([batch(0), 4, batch(9)], [0]),
        ([batch(0), 5], [0]),
        ([5], []),
        ([batch(7)], []),
    ],
)
def test_a_range_is_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch, outcomes: list[Any], expected: list[int]
) -> None:
    """Whatever the last offsets hold, the range is done and nothing behind it is given."""
    assert expected == play(bounded(), monkeypatch, Reader(outcomes), Restriction(0, 5))[0]


def test_a_range_that_stalls_fails_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is more, and nothing comes for a minute."""
    with pytest.raises(ServiceError, match=r"logs\[3\]: nothing came for 60 s \(connection ref"):
        play(bounded(), monkeypatch, Reader([batch(0)]), Restriction(0, 5))


def test_expired_offsets_end_a_range_and_leave_a_hole_in_the_tail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who reads history must know that it is not whole; who watches goes on."""
    with pytest.raises(ExpiredOffsetError):
        play(bounded(), monkeypatch, Reader([ExpiredOffsetError("gone")]), Restriction(0, 5))

    reader = Reader([ExpiredOffsetError("gone"), batch(7)])
    estimator = ManualWatermarkEstimator(native_source._LONG_AGO)
    offsets, tracker = play_tail(monkeypatch, reader, estimator)

    assert ([7], 1, Restriction(8, NO_END)) == (offsets, reader.skipped, tracker.residual)


@pytest.mark.parametrize(
    ("outcomes", "caught_up_ms", "watermark_ms", "start"),
    [
        # The highest timestamp, in whole seconds, which never goes back.
        ([batch(0, 2_500), batch(2_501)], 0, 4_000, 2_502),
        ([batch(0, 2_500), batch(2_507)], 0, 4_000, 2_508),
        # Where all has been read, the clock, less a moment.
        ([None], 90_000, 89_000, 0),
        ([None], 90_001, 90_000, 0),
        # Where no broker answers, nobody knows: it stays where it was.
        ([None], 0, 1_000, 0),
    ],
)
def test_a_tail_gives_back_and_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch,
    outcomes: list[Any],
    caught_up_ms: int,
    watermark_ms: int,
    start: int,
) -> None:
    """A call is short; the next one goes on where it ended."""
    reader = Reader(outcomes)
    reader.caught_up_ms = caught_up_ms
    estimator = ManualWatermarkEstimator(native_source._LONG_AGO)

    _, tracker = play_tail(monkeypatch, reader, estimator)

    assert watermark_ms == milliseconds_of(estimator.current_watermark())
    assert Restriction(start, NO_END) == tracker.residual


@pytest.mark.parametrize(
    ("outcomes", "caught_up_ms", "pause_seconds"),
    [
        ([None], 90_000, 1),
        # More is there, or nobody knows.
        ([None], 0, 0),
        # It had lines a moment ago.
        ([batch(0), None], 90_000, 0),
        ([batch(0), batch(1), batch(2), batch(3)], 0, 0),
    ],
)
def test_only_a_partition_that_is_idle_is_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
    outcomes: list[Any],
    caught_up_ms: int,
    pause_seconds: int,
) -> None:
    """Others wait for its next line, which is expected at any moment."""
    reader = Reader(outcomes)
    monkeypatch.setattr(
        reader, "look_for_end", lambda: setattr(reader, "caught_up_ms", caught_up_ms)
    )

    _, tracker = play_tail(monkeypatch, reader, ManualWatermarkEstimator(native_source._LONG_AGO))

    assert Duration(pause_seconds) == tracker.delay


@pytest.mark.parametrize(
    ("stuck_seconds", "caught_up_ms", "end", "told"),
    [
        (60.0, 0, 9, []),
        (61.0, 90_000, 9, []),
        (61.0, 0, 9, ["it ends at 9"]),
        (61.0, 0, None, ["no broker says where it ends"]),
    ],
)
def test_a_tail_that_does_not_get_on_says_so_and_connects_anew(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    stuck_seconds: float,
    caught_up_ms: int,
    end: int | None,
    told: list[str],
) -> None:
    """Not before a minute, and not where all has been read."""
    reader = Reader([None])
    reader.stuck_seconds, reader.caught_up_ms = stuck_seconds, caught_up_ms
    monkeypatch.setattr(reader, "look_for_end", lambda: end)

    play_tail(monkeypatch, reader, ManualWatermarkEstimator(native_source._LONG_AGO))

    assert len(told) == reader.reconnected
    assert [
        f"logs[3]: nothing came for 61 s, next is offset 0, {where} (connection refused). It "
        "connects anew. No window is told until it gets on: check the brokers."
        for where in told
    ] == caplog.messages


@pytest.mark.parametrize(("waiting", "expected"), [(0, 2), (100_000, 2), (100_001, 13)])
def test_a_call_is_longer_while_much_is_waiting(
    monkeypatch: pytest.MonkeyPatch, waiting: int, expected: int
) -> None:
    """0.2 s, or six times as long; a batch takes a tenth of a second here."""
    reader = Reader([batch(offset) for offset in range(100)])
    reader.waiting = waiting

    offsets, _ = play_tail(monkeypatch, reader, ManualWatermarkEstimator(native_source._LONG_AGO))

    assert expected == len(offsets)


@given(
    st.integers(1, 10_000), st.integers(1, 10_000), st.sampled_from((0, 1, 500, 999, 1_000, 2_250))
)
def test_whole_seconds_are_past_what_is_due_and_nothing_else(
    time_ms: int, second: int, delay_ms: int
) -> None:
    """A timer fires when the watermark is past it."""
    due_ms = second * 1_000 + delay_ms
    seconds_ms = whole_seconds(time_ms * 7, delay_ms)
    assert 0 == seconds_ms % 1_000
    assert (time_ms * 7 > due_ms) == (seconds_ms > due_ms)


def test_a_time_in_the_future_moves_no_watermark() -> None:
    """Neither a forged one nor that of a clock that is ahead."""
    assert [1_005, 1_004, None] == [
        reached_ms(of_offsets, now_ms=1_005)
        for of_offsets in (batch(4, 5), batch(4, 4_102_444_800_000), batch(6))
    ]


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=8),
    st.sets(st.integers(0, 30)),
    st.lists(st.tuples(st.integers(0, 8), st.floats(0, 1)), max_size=4),
)
def test_splits_lose_and_double_nothing(
    sizes: list[int], holes: set[int], splits: list[tuple[int, float]]
) -> None:
    """Whenever a runner splits, each record is given once, by the one or the other part."""
    offsets = [offset for offset in range(sum(sizes)) if offset not in holes]
    whole = Restriction(0, sum(sizes))
    todo, given_offsets = [whole], []

    def batches(start: int) -> Iterator[MessageBatch]:
        left = [offset for offset in offsets if offset >= start]
        for size in sizes:
            if left[:size]:
                yield batch(*left[:size])
            left = left[size:]

    while todo:
        tracker = Tracker(todo.pop())
        for number, one in enumerate(batches(tracker.current_restriction().start)):
            for when, fraction in splits:
                if when == number:
                    split = tracker.try_split(fraction)
                    if split is not None:
                        todo.append(split[1])
            mine = claim(one, tracker)
            given_offsets += mine.offsets if mine else ()
            if mine is not one:
                break
        splits = splits[1:]

    assert offsets == sorted(given_offsets)


def test_a_partition_without_an_end_is_not_divided() -> None:
    """It can only be given back as a whole."""
    tracker = EndlessTracker(Restriction(0, NO_END))
    tracker.try_claim(4)

    assert tracker.try_split(0.5) is None
    assert not tracker.is_bounded()
    assert (Restriction(0, 5), Restriction(5, NO_END)) == tracker.try_split(0)


def test_settings_follow_the_java_client_where_that_has_a_say() -> None:
    """How to fetch is the user's; what keeps the counts right is not."""
    properties = KafkaProperties(
        {
            "bootstrap.servers": "a:1",
            "fetch.min.bytes": "1",
            "isolation.level": "read_uncommitted",
            "enable.auto.commit": "true",
            "auto.offset.reset": "latest",
        }
    )

    settings = reader_settings(properties, Remember(), readers=4)

    assert ("1", "read_uncommitted") == (settings["fetch.min.bytes"], settings["isolation.level"])
    assert (False, "error") == (settings["enable.auto.commit"], settings["auto.offset.reset"])
    assert 131_072 // 4 == settings["queued.max.messages.kbytes"]


def test_a_reader_goes_on_from_any_offset_of_a_hole_at_its_end() -> None:
    """Markers of transactions behind the last record do not make it connect anew."""
    properties = KafkaProperties({"bootstrap.servers": "127.0.0.1:1"})
    reader = PartitionReader(properties, "t", 0, 5, readers=1, ends=EndOffsets(properties))
    reader.next_offset = 8
    found = [reader.is_at(offset) for offset in (4, 5, 8, 9)]
    reader.close()

    assert [False, True, True, False] == found
