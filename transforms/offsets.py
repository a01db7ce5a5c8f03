"""Which offsets of a partition a bundle read, and what became of the records, for the ledger."""

from __future__ import annotations

from collections.abc import Iterable
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
    """Builds an `OffsetSpan`; called once per record, so it is short and has no magic."""

    # Indices into a minute's numbers: the fields of Tally in their order, then what is pending.
    COUNTED, FILTERED_OUT, BAD, TOO_LATE, OVERSIZED, PENDING = range(6)

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self._runs: list[list[int]] = []
        self._run: list[int] = [0, -2]
        self._minutes: dict[int, list[int]] = {}

    def add(self, offset: int, time_ms: int, outcome: int) -> None:
        """Takes in one record: its offset, its event time, and what became of it."""
        run = self._run
        if offset == run[1] + 1:
            run[1] = offset
        else:
            self._run = [offset, offset]
            self._runs.append(self._run)
        numbers = self._minutes.get(time_ms // MINUTE_MS)
        if numbers is None:
            numbers = [0, 0, 0, 0, 0, 0, offset, offset]
            self._minutes[time_ms // MINUTE_MS] = numbers
        numbers[outcome] += 1
        # Offsets ascend within a bundle, but for a read that was split.
        if offset > numbers[7]:
            numbers[7] = offset
        elif offset < numbers[6]:
            numbers[6] = offset

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
    tally = SpanTally("", 0)
    for offset, time_ms, too_late in outcomes:
        tally.add(offset, time_ms, tally.TOO_LATE if too_late else tally.COUNTED)
    span = tally.to_span()
    return OffsetSpan((), -sum(minute.tally.read for minute in span.minutes), span.minutes)
