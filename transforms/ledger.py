"""The ledger: what became of every record of a partition, so that nothing is lost silently.

    read = counted + filtered_out + bad + too_late + oversized

Every record that is read is in exactly one of these, and every offset between the first and
the last that were read is a record or a hole (compacted, expired, or a transaction's marker).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from transforms.results import format_time, json_line

if TYPE_CHECKING:
    from transforms.offsets import OffsetSpan

MINUTE_MS = 60_000
MAX_HOLES = 100


class Tally(NamedTuple):
    """What became of some records; the fields add up to how many were read."""

    counted: int = 0
    filtered_out: int = 0
    bad: int = 0
    too_late: int = 0
    oversized: int = 0

    @property
    def read(self) -> int:
        """How many records these are."""
        return sum(self)

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(*(one + two for one, two in zip(self, other, strict=True)))


def _any_usable(tally: Tally) -> bool:
    """Whether a line among these could be used, so that its time is one to go by."""
    return tally.counted + tally.filtered_out + tally.too_late > 0


@dataclasses.dataclass(frozen=True)
class LedgerRow:
    """One line of the ledger: a partition's minute of event time, or all of a partition.

    Attributes:
      job: name of the job.
      topic, partition: which records.
      minute_ms: start of the minute of event time, milliseconds since the epoch; None for the
        row of the whole partition, which counts records of every time.
      tally: what became of the records.
      first_offset, last_offset: the lowest and highest offset of a record that counts here.
      pending: (whole partition) records whose lateness is being decided.
      missing: (whole partition) offsets between the first and the last without a record.
      holes: (whole partition) the newest of those, as (first, last) offsets.
      repeated: (whole partition) offsets that came more than once: always an error.
    """

    job: str
    topic: str
    partition: int
    minute_ms: int | None
    tally: Tally
    first_offset: int
    last_offset: int
    pending: int = 0
    missing: int = 0
    holes: tuple[tuple[int, int], ...] = ()
    repeated: int = 0

    @property
    def id(self) -> str:
        """The same for every version of a row: `job/topic/partition/minute`, `*` for all."""
        minute = "*" if self.minute_ms is None else format_time(self.minute_ms)
        return f"{quote(self.job, safe='')}/{self.topic}/{self.partition}/{minute}"

    @property
    def balanced(self) -> bool:
        """Whether every offset of the partition is accounted for, once.

        A row of one minute balances by its nature: `read` is the sum of the rest.
        """
        if self.minute_ms is not None:
            return True
        span = self.last_offset - self.first_offset + 1
        return not self.repeated and self.tally.read + self.pending + self.missing == span

    def to_json(self) -> str:
        """One JSON object on one line, the public form of a row."""
        row: dict[str, Any] = {
            "id": self.id,
            "job": self.job,
            "topic": self.topic,
            "partition": self.partition,
            "minute": None if self.minute_ms is None else format_time(self.minute_ms),
            "first_offset": self.first_offset,
            "last_offset": self.last_offset,
            "read": self.tally.read,
            **self.tally._asdict(),
        }
        if self.minute_ms is None:
            row |= {
                "pending": self.pending,
                "missing": self.missing,
                "holes": [list(hole) for hole in self.holes],
                "repeated": self.repeated,
                "balanced": self.balanced,
            }
        return json_line(row)


class PartitionLedger:
    """What became of the records of one partition so far, from spans in the order of reading.

    Offsets are read in ascending order; one that is skipped is a hole until a later span
    brings it, one that comes again is counted as repeated.
    """

    def __init__(self, keep_minutes: int) -> None:
        """Starts with nothing.

        Args:
          keep_minutes: minutes of event time that have rows of their own, up to the newest in
            which a line could be used, and so many later ones; the row of the whole partition
            counts the records of all others too.
        """
        self._keep_minutes = keep_minutes
        self.first = self.next = -1
        self.tally = Tally()
        self.pending = 0
        self.missing = 0
        self.repeated = 0
        self.holes: list[tuple[int, int]] = []
        self.minutes: dict[int, list[Any]] = {}
        self.newest = -1
        self.changed: set[int] = set()

    def add(self, span: OffsetSpan) -> None:
        """Takes in what a bundle read."""
        for first, last in span.runs:
            self._add_run(first, last)
        self.pending += span.pending
        for minute, tally, first, last in span.minutes:
            self.tally = self.tally.plus(Tally(*tally))
            self._add_minute(minute, Tally(*tally), first, last)

    def _add_run(self, first: int, last: int) -> None:
        if self.next < 0:
            self.first = self.next = first
        if first < self.first:
            # A read that was split: what lies before the first comes after it.
            end = min(last, self.first - 1)
            if end < self.first - 1:
                self.missing += self.first - 1 - end
                self.holes.append((end + 1, self.first - 1))
            self.first, first = first, end + 1
            if first > last:
                return
        if first < self.next:
            self._fill(first, min(last, self.next - 1))
        elif first > self.next:
            self.missing += first - self.next
            self.holes.append((self.next, first - 1))
            # Of very many only the newest are told one by one.
            del self.holes[:-MAX_HOLES]
        self.next = max(self.next, last + 1)

    def _fill(self, first: int, last: int) -> None:
        filled = 0
        holes: list[tuple[int, int]] = []
        for low, high in self.holes:
            if high < first or low > last:
                holes.append((low, high))
                continue
            filled += min(high, last) - max(low, first) + 1
            holes += [hole for hole in ((low, first - 1), (last + 1, high)) if hole[0] <= hole[1]]
        self.holes = holes
        self.missing -= filled
        self.repeated += last - first + 1 - filled

    def _add_minute(self, minute: int, tally: Tally, first: int, last: int) -> None:
        if minute > self.newest and _any_usable(tally):
            # Forged times are of no use, and decide nothing.
            self.newest = minute
            oldest = minute - self._keep_minutes
            for old in [old for old in self.minutes if old <= oldest]:
                self._forget(old)
        if self.newest >= 0 and minute <= self.newest - self._keep_minutes:
            return
        row = self.minutes.get(minute)
        if row is None:
            self.minutes[minute] = [tuple(tally), first, last]
        else:
            row[0] = tuple(Tally(*row[0]).plus(tally))
            row[1], row[2] = min(row[1], first), max(row[2], last)
        self.changed.add(minute)
        if row is None and minute > self.newest:
            ahead = [later for later in self.minutes if later > self.newest]
            if len(ahead) > self._keep_minutes:
                self._forget(max(ahead))

    def _forget(self, minute: int) -> None:
        del self.minutes[minute]
        self.changed.discard(minute)

    def rows(self, job: str, topic: str, partition: int) -> Iterator[LedgerRow]:
        """The rows that changed since they were last asked for, and that of the partition."""
        for minute in sorted(self.changed & set(self.minutes)):
            tally, first, last = self.minutes[minute]
            yield LedgerRow(job, topic, partition, minute * MINUTE_MS, Tally(*tally), first, last)
        self.changed = set()
        yield LedgerRow(
            job,
            topic,
            partition,
            None,
            self.tally,
            self.first,
            self.next - 1,
            self.pending,
            self.missing,
            tuple(self.holes),
            self.repeated,
        )

    def to_state(self) -> dict[str, Any]:
        """All of it as plain values."""
        state = dict(vars(self))
        return {**state, "tally": tuple(self.tally)}

    @classmethod
    def from_state(cls, state: dict[str, Any], keep_minutes: int) -> PartitionLedger:
        """What `to_state` gave."""
        ledger = cls(keep_minutes)
        vars(ledger).update(state)
        ledger.tally = Tally(*state["tally"])
        ledger._keep_minutes = keep_minutes
        return ledger
