"""Filters lines and counts them per pane, where they are read, once per line.

A window is the sum of its panes, so the cost of a line does not depend on how many windows it
falls in. What leaves here is one element per bundle, not per line.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.transforms import window
from apache_beam.utils.windowed_value import WindowedValue

from transforms import metrics
from transforms.batches import Batch, record_at
from transforms.beam_time import timestamp_of
from transforms.classify import LineRules, Verdicts
from transforms.clock import wall_clock_ms
from transforms.dead_letters import NO_VALUE, OVERSIZED, DeadLetter
from transforms.garbage import search_rarely
from transforms.grid import Grid
from transforms.offsets import OffsetSpan, SpanTally
from transforms.pane_range import EVERY_PANE, PaneRange
from transforms.records import Record, qualified_topic
from transforms.samples import FirstLinesFn, PaneSample
from transforms.typed import set_output_types

# Forged event times and keys must not make a bundle's table of counts grow without end.
MAX_COUNTS_PER_BUNDLE = 100_000
# The clocks of the host that reads and the one that counts may differ by so much.
_CLOCK_MARGIN_MS = 60_000
# No time is further away.
_NEVER_MS = 2**63


class Counts(NamedTuple):
    """What was counted in a stretch of event time: error lines, and lines of any kind."""

    errors: int
    lines: int


PaneCounts = tuple[int, tuple[str | None, ...], tuple[int, ...], tuple[int, ...]]
"""What a bundle counted in one pane: index of the pane on the grid, then column by column the keys
(a single None without grouping), their error lines, and their lines of any kind. Plain tuples of
plain values: with many keys there are very many, and they cost a tenth to encode and decode."""


class Suspect(NamedTuple):
    """An error line so old that its windows may be final; counted apart, because it may not be.

    Attributes:
      key: the series; None without grouping.
      pane: index of the pane on the grid.
      event_time_ms: milliseconds since the epoch.
      record: the record, should it become a dead letter.
    """

    key: str | None
    pane: int
    event_time_ms: int
    record: Record


class BundleCounts(NamedTuple):
    """What a bundle counted: every pane once, in no order, and in it every key once."""

    panes: tuple[PaneCounts, ...]
    suspects: tuple[Suspect, ...]


class Counted(NamedTuple):
    """What `CountPanes` gives.

    Attributes:
      counts: PCollection[BundleCounts], one element per bundle, or a few.
      spans: PCollection[tuple[tuple[str, int], OffsetSpan]], by topic and partition: which offsets
        a bundle read, and what became of the records.
      samples: PCollection[PaneSample], the first error lines of every bundle and pane.
      dead_letters: PCollection[DeadLetter], bad and oversized records.
    """

    counts: beam.PCollection[BundleCounts]
    spans: beam.PCollection[tuple[tuple[str, int], OffsetSpan]]
    samples: beam.PCollection[PaneSample]
    dead_letters: beam.PCollection[DeadLetter]


class CountPanes(beam.PTransform):
    """Decides about every record (`LineRules`), and counts lines and error lines per pane.

    Input: PCollection of batches of Kafka records (`transforms.batches.Batch`).

    Output: `Counted`. Emitted when a bundle ends.

    Args:
      rules: what is an error line, when it was, which series it belongs to.
      grid: window and slide.
      samples: how many error lines of a bundle and pane to hand on.
      source: name of the cluster that the records come from.
      allowed_lateness_seconds: error lines that are older than this by the clock, counted from
        the end of their pane, are suspects; None: none are (a bounded read is never late).
      panes: error lines of others are not counted. A line before them is a line of its pane all
        the same, because zeros follow it; what comes after them is in no pane.
      clock_ms: the time of day, milliseconds since the epoch.
    """

    def __init__(
        self,
        rules: LineRules,
        grid: Grid,
        *,
        samples: int = 0,
        source: str = "",
        allowed_lateness_seconds: int | None = None,
        panes: PaneRange = EVERY_PANE,
        clock_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        super().__init__()
        self._fn = CountPanesFn(
            rules, grid, samples, source, allowed_lateness_seconds, clock_ms, panes
        )

    def expand(self, batches: Any) -> Any:
        """Applies the transform and returns `Counted`, which Beam's type checks do not know."""
        outputs = batches | "Count" >> beam.ParDo(self._fn).with_outputs(
            CountPanesFn.SPANS, CountPanesFn.SAMPLES, CountPanesFn.DEAD_LETTERS, main="counts"
        )
        set_output_types(
            outputs,
            {
                "counts": BundleCounts,
                CountPanesFn.SPANS: tuple[tuple[str, int], OffsetSpan],
                CountPanesFn.SAMPLES: PaneSample,
                CountPanesFn.DEAD_LETTERS: DeadLetter,
            },
        )
        return Counted(
            outputs["counts"],
            outputs[CountPanesFn.SPANS],
            outputs[CountPanesFn.SAMPLES],
            outputs[CountPanesFn.DEAD_LETTERS],
        )


def with_errors(of_pane: PaneCounts) -> PaneCounts:
    """What was counted of the keys that have error lines."""
    pane, keys, errors, lines = of_pane
    return (
        pane,
        tuple(compress(keys, errors)),
        tuple(compress(errors, errors)),
        tuple(compress(lines, errors)),
    )


class SumCountsFn(beam.CombineFn):
    """Adds up Counts."""

    def create_accumulator(self) -> tuple[int, int]:
        """Nothing counted."""
        return 0, 0

    def add_input(self, accumulator: tuple[int, int], element: Counts) -> tuple[int, int]:
        """Adds one partial count."""
        return accumulator[0] + element[0], accumulator[1] + element[1]

    def merge_accumulators(self, accumulators: Iterable[tuple[int, int]]) -> tuple[int, int]:
        """Adds up accumulators."""
        errors = lines = 0
        for accumulator in accumulators:
            errors += accumulator[0]
            lines += accumulator[1]
        return errors, lines

    def extract_output(self, accumulator: tuple[int, int]) -> Counts:
        """The sum."""
        return Counts(*accumulator)


class _Lines(NamedTuple):
    """Of records of a batch that are neither dead letters nor suspects, column by column.

    The lowest and the highest time are there because to look for them takes as long as to count.
    """

    offsets: Sequence[int]
    values: Sequence[Any]
    times_ms: Sequence[int]
    kept: Sequence[bool]
    keys: Sequence[str] | None
    earliest_ms: int
    latest_ms: int

    def without(self, indices: set[int]) -> "_Lines":
        """All others."""
        wanted = [index not in indices for index in range(len(self.offsets))]
        times_ms = list(compress(self.times_ms, wanted))
        return _Lines(
            list(compress(self.offsets, wanted)),
            list(compress(self.values, wanted)),
            times_ms,
            list(compress(self.kept, wanted)),
            None if self.keys is None else list(compress(self.keys, wanted)),
            min(times_ms, default=0),
            max(times_ms, default=0),
        )

    def note_in(self, span: SpanTally, kept: Sequence[bool]) -> None:
        """Notes which were counted (`kept`), and that the others were filtered out."""
        span.add_lines(self.offsets, self.times_ms, kept, self.earliest_ms, self.latest_ms)


@beam.typehints.with_input_types(Any)
class CountPanesFn(beam.DoFn):
    """Counts in memory and emits when the bundle ends; see `CountPanes`."""

    SPANS = "spans"
    SAMPLES = "samples"
    DEAD_LETTERS = "dead_letters"

    def __init__(
        self,
        rules: LineRules,
        grid: Grid,
        samples: int,
        source: str,
        allowed_lateness_seconds: int | None,
        clock_ms: Callable[[], int],
        panes: PaneRange = EVERY_PANE,
    ) -> None:
        self._rules = rules
        self._slide_ms = grid.slide_ms
        self._is_bounded = panes.is_bounded
        first_ms, stop_ms = panes.first_ms(grid), panes.stop_ms(grid)
        self._first_ms = -_NEVER_MS if first_ms is None else first_ms
        self._stop_ms = _NEVER_MS if stop_ms is None else stop_ms
        self._first_lines = FirstLinesFn(samples) if samples else None
        self._source = source
        self._lateness_ms = (
            None if allowed_lateness_seconds is None else allowed_lateness_seconds * 1000
        )
        self._clock_ms = clock_ms
        self._counters = {
            name: metrics.counter(name)
            for name in (
                metrics.LINES_READ,
                metrics.ERROR_LINES,
                metrics.TOMBSTONES,
                metrics.BAD_LINES,
                metrics.OVERSIZED_LINES,
                metrics.LINES_OUTSIDE,
            )
        }

    def setup(self) -> None:
        """Prepares the process."""
        search_rarely()

    def start_bundle(self) -> None:
        """Begins to count anew."""
        self._now_ms = now_ms = self._clock_ms()
        # A pane that begins before this may be closed.
        self._suspect_before_ms = (
            None
            if self._lateness_ms is None
            else now_ms + _CLOCK_MARGIN_MS - self._lateness_ms - self._slide_ms
        )
        self._begin()

    def _begin(self) -> None:
        # Pane to lines and error lines of each key.
        self._counts: dict[int, tuple[Counter[str | None], Counter[str | None]]] = {}
        self._suspects: list[Suspect] = []
        self._spans: dict[tuple[str, int], SpanTally] = {}
        self._firsts: dict[int, Any] = {}
        self._latest_ms = 0
        self._before = self._behind = 0

    def process(self, element: Batch) -> Iterable[Any]:
        """Takes in records of one partition."""
        verdicts = self._rules.classify_batch(element, self._now_ms, self._source)
        place = (qualified_topic(self._source, element.topic), element.partition)
        span = self._spans.get(place)
        if span is None:
            span = self._spans[place] = SpanTally()
        span.read(element.offsets)
        outputs = self._bury(element, verdicts, span)
        apart = {*verdicts.dead, *self._suspect(element, verdicts, span)}
        lines = _Lines(
            element.offsets,
            element.values,
            verdicts.times_ms,
            verdicts.kept,
            verdicts.keys,
            verdicts.earliest_ms,
            verdicts.latest_ms,
        )
        if apart:
            lines = lines.without(apart)
        if self._is_bounded and lines.offsets:
            lines = self._bound(lines, span)
        if lines.offsets:
            self._count(lines, span)
        if sum(len(lines) for lines, _ in self._counts.values()) > MAX_COUNTS_PER_BUNDLE:
            outputs += self._flush()
        return outputs

    def _bury(self, batch: Batch, verdicts: Verdicts, span: SpanTally) -> list[Any]:
        letters = []
        for index, (reason, detail) in verdicts.dead.items():
            outcome = span.OVERSIZED if reason == OVERSIZED else span.BAD
            span.add_one(batch.offsets[index], verdicts.times_ms[index], outcome)
            if reason == NO_VALUE:
                self._counters[metrics.TOMBSTONES].inc()
            record = record_at(batch, index, self._source)
            letter = DeadLetter(record, reason, detail)
            letters.append(beam.pvalue.TaggedOutput(self.DEAD_LETTERS, letter))
        return letters

    def _suspect(self, batch: Batch, verdicts: Verdicts, span: SpanTally) -> Iterator[int]:
        """Puts error lines aside whose windows may be final; gives their indices."""
        before_ms, slide_ms = self._suspect_before_ms, self._slide_ms
        # A pane begins at most a slide before any time in it.
        if before_ms is None or verdicts.earliest_ms >= before_ms + slide_ms:
            return
        for index, (time_ms, kept) in enumerate(zip(verdicts.times_ms, verdicts.kept, strict=True)):
            pane = time_ms // slide_ms
            if kept and pane * slide_ms < before_ms and index not in verdicts.dead:
                span.add_one(batch.offsets[index], time_ms, span.PENDING)
                record = record_at(batch, index, self._source)
                key = None if verdicts.keys is None else verdicts.keys[index]
                self._suspects.append(Suspect(key, pane, time_ms, record))
                yield index

    def _bound(self, lines: "_Lines", span: SpanTally) -> "_Lines":
        """Those before the range's end; none of those before its beginning is an error line."""
        times_ms, first_ms, stop_ms = lines.times_ms, self._first_ms, self._stop_ms
        if lines.earliest_ms < first_ms:
            inside = [time_ms >= first_ms for time_ms in times_ms]
            self._before += inside.count(False)
            lines = lines._replace(
                kept=[
                    kept and is_inside for kept, is_inside in zip(lines.kept, inside, strict=True)
                ]
            )
        if lines.latest_ms >= stop_ms:
            behind = {index for index, time_ms in enumerate(times_ms) if time_ms >= stop_ms}
            rest = lines.without(set(range(len(times_ms))) - behind)
            rest.note_in(span, [False] * len(behind))
            self._behind += len(behind)
            lines = lines.without(behind)
        return lines

    def _count(self, lines: "_Lines", span: SpanTally) -> None:
        times_ms, kept, slide_ms = lines.times_ms, lines.kept, self._slide_ms
        lines.note_in(span, kept)
        self._latest_ms = max(self._latest_ms, lines.latest_ms)
        latest = lines.latest_ms // slide_ms
        panes: Sequence[int]
        if latest == lines.earliest_ms // slide_ms:
            # The usual case: lines that follow each other are in one pane.
            panes = [latest] * len(times_ms)
            self._count_pane(latest, lines.keys, kept)
        else:
            panes = [time_ms // slide_ms for time_ms in times_ms]
            self._count_panes(panes, lines.keys, kept)
        if self._first_lines is not None:
            error_lines = zip(panes, times_ms, lines.values, strict=True)
            self._sample(self._first_lines, compress(error_lines, kept))

    def _count_pane(self, pane: int, keys: Sequence[str] | None, kept: Sequence[bool]) -> None:
        lines, errors = self._counts_of(pane)
        if keys is None:
            lines[None] += len(kept)
            errors[None] += kept.count(True)
        else:
            lines.update(keys)
            errors.update(compress(keys, kept))

    def _count_panes(
        self, panes: Sequence[int], keys: Sequence[str] | None, kept: Sequence[bool]
    ) -> None:
        places = list(zip(panes, [None] * len(panes) if keys is None else keys, strict=True))
        for (pane, key), number in Counter(places).items():
            self._counts_of(pane)[0][key] += number
        for (pane, key), number in Counter(compress(places, kept)).items():
            self._counts_of(pane)[1][key] += number

    def _counts_of(self, pane: int) -> tuple[Counter[str | None], Counter[str | None]]:
        counts = self._counts.get(pane)
        if counts is None:
            counts = self._counts[pane] = (Counter(), Counter())
        return counts

    def finish_bundle(self) -> Iterator[Any]:
        """Emits what the bundle counted."""
        stamp = timestamp_of(self._latest_ms)
        for output in self._flush():
            if isinstance(output, beam.pvalue.TaggedOutput):
                value = WindowedValue(output.value, stamp, (window.GlobalWindow(),))
                yield beam.pvalue.TaggedOutput(output.tag, value)
            else:
                yield WindowedValue(output, stamp, (window.GlobalWindow(),))

    def _sample(
        self, first_lines: FirstLinesFn, error_lines: Iterable[tuple[int, int, bytes]]
    ) -> None:
        by_pane: dict[int, list[tuple[int, bytes]]] = {}
        for pane, time_ms, line in error_lines:
            by_pane.setdefault(pane, []).append((time_ms, line))
        for pane, found in by_pane.items():
            kept = self._firsts.get(pane) or first_lines.create_accumulator()
            self._firsts[pane] = first_lines.add_inputs(kept, found)

    def _flush(self) -> Iterator[Any]:
        counts, suspects, spans, firsts = self._counts, self._suspects, self._spans, self._firsts
        before, behind = self._before, self._behind
        self._begin()
        panes = tuple(_columns(pane, *of_pane) for pane, of_pane in counts.items())
        errors = sum(sum(of_keys) for _, _, of_keys, _ in panes) + len(suspects)
        lines = sum(sum(of_keys) for _, _, _, of_keys in panes) + len(suspects) + behind
        self._counters[metrics.LINES_READ].inc(lines)
        self._counters[metrics.ERROR_LINES].inc(errors)
        if self._is_bounded:
            self._counters[metrics.LINES_OUTSIDE].inc(before + behind)
        if panes or suspects:
            yield BundleCounts(panes, tuple(suspects))
        for place, tally in spans.items():
            span = tally.to_span()
            self._counters[metrics.BAD_LINES].inc(tally.count(tally.BAD))
            self._counters[metrics.OVERSIZED_LINES].inc(tally.count(tally.OVERSIZED))
            yield beam.pvalue.TaggedOutput(self.SPANS, (place, span))
        for pane, (total, kept) in firsts.items():
            yield beam.pvalue.TaggedOutput(self.SAMPLES, PaneSample(pane, total, tuple(kept)))


def _columns(
    pane: int, lines: Mapping[str | None, int], errors: Mapping[str | None, int]
) -> PaneCounts:
    keys = tuple(lines)
    # A `Counter` gives 0 for those without.
    return pane, keys, tuple(map(errors.__getitem__, keys)), tuple(lines.values())
