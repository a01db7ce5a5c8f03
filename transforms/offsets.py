"""Which offsets of a partition a bundle read, and what became of the records, for the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import compress
from typing import NamedTuple

from transforms.ledger import MINUTE_MS, Tally


class MinuteTally(NamedTuple):
    """What became of records of one minute of event time, and where they stand.

    Attributes:
      minute: minutes since the epoch.
      tally: what became of them.
      first_offset, last_offset: the lowest and the highest offset among them.
    """

    minute: int
    tally: Tally
    first_offset: int
    last_offset: int


class OffsetSpan(NamedTuple):
    """A bundle's part of one partition.

    Attributes:
      runs: first and last offset of every unbroken run of records, in the order read; none
        where `pending` records of an earlier span were decided.
      pending: records whose lateness is not decided yet, less those that are decided here.
      minutes: what became of all others.
    """

    runs: tuple[tuple[int, int], ...]
    pending: int
    minutes: tuple[MinuteTally, ...]


class SpanTally:
    """Builds an `OffsetSpan`."""

    # Indices into a minute's numbers: the fields of Tally in their order, then what is pending.
    COUNTED, FILTERED_OUT, BAD, TOO_LATE, OVERSIZED, PENDING = range(6)

    def __init__(self) -> None:
        self._runs: list[list[int]] = []
        self._minutes: dict[int, list[int]] = {}

    def read(self, offsets: Sequence[int]) -> None:
        """Notes that these were read, in ascending order, whatever became of them."""
        first, last = offsets[0], offsets[-1]
        if last - first + 1 == len(offsets):
            self._read_run(first, last)
        else:
            for offset in offsets:
                self._read_run(offset, offset)

    def _read_run(self, first: int, last: int) -> None:
        if self._runs and self._runs[-1][1] + 1 == first:
            self._runs[-1][1] = last
        else:
            self._runs.append([first, last])

    def add(self, minute: int, outcome: int, records: int, first: int, last: int) -> None:
        """Notes what became of records of one minute of event time, between two offsets."""
        numbers = self._minutes.get(minute)
        if numbers is None:
            numbers = self._minutes[minute] = [0, 0, 0, 0, 0, 0, first, last]
        numbers[outcome] += records
        numbers[6] = min(numbers[6], first)
        numbers[7] = max(numbers[7], last)

    def add_one(self, offset: int, time_ms: int, outcome: int) -> None:
        """Notes what became of one record."""
        self.add(time_ms // MINUTE_MS, outcome, 1, offset, offset)

    def add_lines(
        self,
        offsets: Sequence[int],
        times_ms: Sequence[int],
        kept: Sequence[bool],
        earliest_ms: int,
        latest_ms: int,
    ) -> None:
        """Notes of usable records whether they were counted or filtered out.

        Args:
          offsets: of each, ascending.
          times_ms: event time of each, milliseconds since the epoch.
          kept: whether each was counted.
          earliest_ms: the lowest time, which the caller knows.
          latest_ms: the highest.
        """
        minute = earliest_ms // MINUTE_MS
        if minute == latest_ms // MINUTE_MS:
            counted = sum(kept)
            self.add(minute, self.COUNTED, counted, offsets[0], offsets[-1])
            self.add(minute, self.FILTERED_OUT, len(kept) - counted, offsets[0], offsets[-1])
            return
        minutes = [time_ms // MINUTE_MS for time_ms in times_ms]
        lines, errors = Counter(minutes), Counter(compress(minutes, kept))
        # The last one put in for a minute stays.
        last = dict(zip(minutes, offsets, strict=True))
        first = dict(zip(reversed(minutes), reversed(offsets), strict=True))
        for minute, number in lines.items():
            counted = errors.get(minute, 0)
            self.add(minute, self.COUNTED, counted, first[minute], last[minute])
            self.add(minute, self.FILTERED_OUT, number - counted, first[minute], last[minute])

    def count(self, outcome: int) -> int:
        """How many records became this."""
        return sum(numbers[outcome] for numbers in self._minutes.values())

    def to_span(self) -> OffsetSpan:
        """All that was added."""
        return OffsetSpan(
            tuple((first, last) for first, last in self._runs),
            self.count(self.PENDING),
            tuple(
                MinuteTally(minute, Tally(*numbers[:5]), numbers[6], numbers[7])
                for minute, numbers in self._minutes.items()
                if any(numbers[:5])
            ),
        )


def decided(outcomes: Iterable[tuple[int, int, bool]]) -> OffsetSpan:
    """The span that settles pending records.

    Args:
      outcomes: offset, event time in milliseconds, and whether it was too late.
    """
    tally = SpanTally()
    for offset, time_ms, too_late in outcomes:
        tally.add_one(offset, time_ms, tally.TOO_LATE if too_late else tally.COUNTED)
    span = tally.to_span()
    return OffsetSpan((), -sum(minute.tally.read for minute in span.minutes), span.minutes)
