"""The job as a graph: read, filter, window, count.

Labels are public: runners show them and find state by them.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.transforms.window import SlidingWindows

from pipeline.config import JobConfig
from transforms.dead_letters import DeadLetter
from transforms.filter_words import filter_in_words
from transforms.grid import Grid
from transforms.keep_ledger import BalanceLedger, KeepLedger
from transforms.ledger import LedgerRow
from transforms.live import ClosePanes, SettleWindows
from transforms.name_series import NameSeries
from transforms.panes import Counted, CountPanes, Counts, SumCountsFn
from transforms.records import cluster_and_topic
from transforms.results import Result, format_time
from transforms.samples import Sample, SampleErrorLines
from transforms.silence import FillSilence


class Outputs(NamedTuple):
    """What the graph gives.

    Attributes:
      results: PCollection[Result], one per series and window on the grid, by window end.
      samples: PCollection[Sample], or None when none are asked for.
      dead_letters: PCollection[DeadLetter], records that could not be used.
      ledger: PCollection[LedgerRow], what became of all of them.
    """

    results: beam.PCollection[Result]
    samples: beam.PCollection[Sample] | None
    dead_letters: beam.PCollection[DeadLetter]
    ledger: beam.PCollection[LedgerRow]


class FilterErrorLines(CountPanes):
    """`CountPanes` as the configuration wants it, which says on a job page what it counts.

    Args:
      config: the checked configuration.
      name: of the source: its topic, or all of a cluster's.
      live: whether the source has no end.
    """

    def __init__(self, config: JobConfig, name: str, *, live: bool) -> None:
        super().__init__(
            config.rules,
            config.grid,
            samples=config.output.samples,
            source=cluster_and_topic(name)[0],
            allowed_lateness_seconds=config.timing.allowed_lateness_ms // 1000 if live else None,
            panes=config.panes,
        )
        bounds = {
            "from_time": config.panes.first_ms(config.grid),
            "to_time": config.panes.stop_ms(config.grid),
        }
        self._shown = {
            "topic": name,
            "filter": filter_in_words(config.rules.filter),
            "event_time": config.rules.event_time,
            "group_by": ",".join(config.rules.group_by),
            **{name: format_time(at_ms) for name, at_ms in bounds.items() if at_ms is not None},
        }

    def display_data(self) -> dict[str, Any]:
        """Topic and filter, for the runner's job page."""
        return self._shown


class IntoSlidingWindows(beam.WindowInto):
    """Puts elements into the windows of a grid, and says on a job page which these are."""

    def __init__(self, grid: Grid) -> None:
        super().__init__(SlidingWindows(grid.window_seconds, grid.slide_seconds))
        self._grid = grid

    def display_data(self) -> dict[str, Any]:
        """Window and slide, for the runner's job page."""
        return dataclasses.asdict(self._grid)


def build_graph(
    pipeline: beam.Pipeline, config: JobConfig, sources: Mapping[str, beam.PTransform]
) -> Outputs:
    """Builds the whole job on sources that end.

    Args:
      pipeline: the pipeline to build in.
      config: the checked configuration.
      sources: name to source; each gives a PCollection of batches of Kafka records
        (`transforms.batches.Batch`).
    """
    counted = count_panes(pipeline, config, sources)
    results = count_windows(counted, config) | "FillSilence" >> FillSilence(
        config.grid,
        config.job,
        config.timing.max_silence_ms // 1000,
        config.timing.series_idle_ms // 1000,
        config.panes,
    )
    ledger = counted.spans | "BalanceLedger" >> BalanceLedger(config.job)
    return Outputs(results, sample(counted, config), counted.dead_letters, ledger)


def build_live_graph(
    pipeline: beam.Pipeline, config: JobConfig, sources: Mapping[str, beam.PTransform]
) -> Outputs:
    """Builds the whole job on sources without an end.

    Every source is read, filtered and counted by itself, under its own labels: its counters
    are its own, and one that is added later begins to be read when the job goes on.

    Args:
      pipeline: the pipeline to build in.
      config: the checked configuration; read limits do not count.
      sources: name to source, each as `build_graph` takes it, but without an end.
    """
    counted = count_panes(pipeline, config, sources, live=True)
    admitted = counted.counts | "ClosePanes" >> ClosePanes(
        config.grid, config.timing, config.max_keys
    )
    results = admitted.counts | "SlidingWindows" >> SettleWindows(
        config.grid, config.job, config.timing
    )
    dead_letters = (
        counted.dead_letters,
        admitted.dead_letters,
    ) | "DeadLetters" >> beam.Flatten()
    ledger = (
        (counted.spans, admitted.spans)
        | "Spans" >> beam.Flatten()
        | "KeepLedger" >> KeepLedger(config.job, config.timing.allowed_lateness_ms // 1000)
    )
    return Outputs(results, sample(counted, config), dead_letters, ledger)


def count_panes(
    pipeline: beam.Pipeline,
    config: JobConfig,
    sources: Mapping[str, beam.PTransform],
    *,
    live: bool = False,
) -> Counted:
    """Read, filter, and count per pane."""
    parts = [
        pipeline
        | f"ReadFromKafka[{name}]" >> source
        | f"FilterErrorLines[{name}]" >> FilterErrorLines(config, name, live=live)
        for name, source in sources.items()
    ]
    return Counted(
        counts=tuple(part.counts for part in parts) | "AllCounts" >> beam.Flatten(),
        spans=tuple(part.spans for part in parts) | "AllSpans" >> beam.Flatten(),
        samples=tuple(part.samples for part in parts) | "AllSamples" >> beam.Flatten(),
        dead_letters=tuple(part.dead_letters for part in parts)
        | "AllDeadLetters" >> beam.Flatten(),
    )


def count_windows(counted: Counted, config: JobConfig) -> beam.PCollection[tuple[str, Counts]]:
    """Window and count, for reads that end: by series, one element per window with a line."""
    return (
        counted.counts
        | "NameSeries" >> NameSeries(config.grid, config.max_keys if config.grouped else None)
        | "SlidingWindows" >> IntoSlidingWindows(config.grid)
        | "Count" >> beam.CombinePerKey(SumCountsFn())
    )


def sample(counted: Counted, config: JobConfig) -> beam.PCollection[Sample] | None:
    """The first error lines of every slide, or None when none are asked for."""
    if not config.output.samples:
        return None
    return counted.samples | "SampleErrorLines" >> SampleErrorLines(
        config.grid, config.output.samples
    )
