"""Keeps the ledger: adds up, per partition, what every bundle read and what became of it.

`transforms.ledger` has the rules; this module puts them into Beam, once for reads that end and
once for those that do not.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.coders import FastPrimitivesCoder
from apache_beam.transforms import userstate, window
from apache_beam.transforms.timeutil import TimeDomain

from transforms import metrics
from transforms.beam_time import timestamp_of
from transforms.clock import wall_clock_ms
from transforms.ledger import LedgerRow, PartitionLedger
from transforms.offsets import OffsetSpan

# Rows are told when they changed, and so often at most.
_TICK_MS = 10_000
# A day of minutes: what a bounded read tells one by one.
MAX_MINUTES = 1_440
_LOG = logging.getLogger(__name__)

Place = tuple[str, int]


class BalanceLedger(beam.PTransform):
    """The ledger of a read that ends.

    Input: PCollection[tuple[tuple[str, int], OffsetSpan]], by topic and partition (`CountPanes`).

    Output: PCollection[LedgerRow], a row for every minute of event time (the newest
    `MAX_MINUTES` of a partition) and one for every partition, when all has been read. What does
    not balance is logged as a warning and counted.
    """

    def __init__(self, job: str) -> None:
        super().__init__()
        self._fn = _BalanceFn(job)

    def expand(self, spans: beam.PCollection[tuple[Place, OffsetSpan]]) -> beam.PCollection:
        """Applies the transform."""
        return spans | "Gather" >> beam.GroupByKey() | "Balance" >> beam.ParDo(self._fn)


class KeepLedger(beam.PTransform):
    """The ledger of a live read.

    Input: PCollection[tuple[tuple[str, int], OffsetSpan]], by topic and partition (`CountPanes`,
    `ClosePanes`), unbounded.

    Output: PCollection[LedgerRow]: every ten seconds those that changed, each with all that it
    holds by then. Minutes that are older than the newest by more than the allowed lateness and an
    hour have no rows of their own.
    """

    def __init__(
        self,
        job: str,
        allowed_lateness_seconds: int,
        clock_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        super().__init__()
        self._fn = _KeepFn(job, allowed_lateness_seconds // 60 + 60, clock_ms)

    def expand(self, spans: beam.PCollection[tuple[Place, OffsetSpan]]) -> beam.PCollection:
        """Applies the transform."""
        return (
            spans
            | "AllTime" >> beam.WindowInto(window.GlobalWindows())
            | "Keep" >> beam.ParDo(self._fn)
        )


class _Alarm:
    """Tells loudly, and counts, what is missing or came twice."""

    def __init__(self) -> None:
        self._missing = metrics.counter(metrics.OFFSETS_MISSING)
        self._repeated = metrics.counter(metrics.OFFSETS_REPEATED)

    def check(self, row: LedgerRow, missing_before: int, repeated_before: int) -> None:
        """Compares the row of a partition with what was told before."""
        place = f"{row.topic}[{row.partition}]"
        if row.missing > missing_before:
            self._missing.inc(row.missing - missing_before)
            holes = ", ".join(f"{first}-{last}" for first, last in row.holes[-3:])
            _LOG.warning(
                "ledger: %s: %d offsets hold no record (%s): expired before they were read, "
                "removed by compaction, or markers of transactions",
                place,
                row.missing - missing_before,
                holes,
            )
        if row.repeated > repeated_before:
            self._repeated.inc(row.repeated - repeated_before)
            _LOG.error("ledger: %s: %d offsets were read more than once", place, row.repeated)
        if not row.balanced:
            _LOG.error("ledger: %s does not balance: %s", place, row.to_json())


@beam.typehints.with_input_types(tuple[Place, Iterable[OffsetSpan]])
@beam.typehints.with_output_types(LedgerRow)
class _BalanceFn(beam.DoFn):
    def __init__(self, job: str) -> None:
        self._job = job
        self._alarm = _Alarm()

    def process(self, element: tuple[Place, Iterable[OffsetSpan]]) -> Iterator[LedgerRow]:
        (topic, partition), spans = element
        ledger = PartitionLedger(MAX_MINUTES)
        # A bounded read may be split, and its parts come in any order.
        for span in sorted(spans):
            ledger.add(span)
        for row in ledger.rows(self._job, topic, partition):
            if row.minute_ms is None:
                self._alarm.check(row, 0, 0)
            yield row


@beam.typehints.with_input_types(tuple[Place, OffsetSpan])
@beam.typehints.with_output_types(LedgerRow)
class _KeepFn(beam.DoFn):
    _LEDGER = userstate.ReadModifyWriteStateSpec("ledger", FastPrimitivesCoder())
    _NEW = userstate.BagStateSpec("new", FastPrimitivesCoder())
    _TICKING = userstate.ReadModifyWriteStateSpec("ticking", FastPrimitivesCoder())
    _TICK = userstate.TimerSpec("tick", TimeDomain.REAL_TIME)

    def __init__(self, job: str, keep_minutes: int, clock_ms: Callable[[], int]) -> None:
        self._job = job
        self._keep_minutes = keep_minutes
        self._clock_ms = clock_ms
        self._alarm = _Alarm()

    def process(
        self,
        element: tuple[Place, OffsetSpan],
        new: Any = beam.DoFn.StateParam(_NEW),
        ticking: Any = beam.DoFn.StateParam(_TICKING),
        tick: Any = beam.DoFn.TimerParam(_TICK),
    ) -> None:
        """Puts what came aside, for the next tick."""
        new.add(tuple(element[1]))
        if not ticking.read():
            ticking.write(True)
            tick.set(timestamp_of(self._clock_ms() + _TICK_MS))

    @userstate.on_timer(_TICK)  # type: ignore[untyped-decorator]
    def tell(
        self,
        place: Any = beam.DoFn.KeyParam,
        ledger: Any = beam.DoFn.StateParam(_LEDGER),
        new: Any = beam.DoFn.StateParam(_NEW),
        ticking: Any = beam.DoFn.StateParam(_TICKING),
    ) -> Iterator[LedgerRow]:
        """Adds up what came, and tells the rows that changed."""
        topic, partition = place
        stored = ledger.read()
        now = (
            PartitionLedger.from_state(stored, self._keep_minutes)
            if stored
            else PartitionLedger(self._keep_minutes)
        )
        before = now.missing, now.repeated
        for span in new.read():
            now.add(OffsetSpan(*span))
        new.clear()
        ticking.clear()
        for row in now.rows(self._job, topic, partition):
            if row.minute_ms is None:
                self._alarm.check(row, *before)
            yield row
        ledger.write(now.to_state())
