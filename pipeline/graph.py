"""The job as a graph: read, filter, window, count.

Labels are public: runners show them and find state by them.
"""

from collections.abc import Mapping
from typing import NamedTuple

import apache_beam as beam
from apache_beam.transforms.window import SlidingWindows

from pipeline.config import JobConfig
from transforms.lines import TakeLines
from transforms.live import SettleWindows, SumLiveWindows
from transforms.panes import CountPanes, Counts, SumCountsFn
from transforms.results import Result
from transforms.samples import Sample, SampleErrorLines
from transforms.silence import FillSilence


class Counted(NamedTuple):
    """The heart of the graph.

    Attributes:
      counts: PCollection[Counts] in sliding windows, one element per window that holds a line.
      errors: PCollection[bytes], the error lines.
    """

    counts: beam.PCollection[Counts]
    errors: beam.PCollection[bytes]


class Outputs(NamedTuple):
    """What the graph gives.

    Attributes:
      results: PCollection[Result], one per window on the grid, in order of window end.
      samples: PCollection[Sample], or None when none are asked for.
    """

    results: beam.PCollection[Result]
    samples: beam.PCollection[Sample] | None


def build_graph(pipeline: beam.Pipeline, config: JobConfig, source: beam.PTransform) -> Outputs:
    """Builds the whole job on a bounded source.

    Args:
      pipeline: the pipeline to build in.
      config: the checked configuration.
      source: gives PCollection[tuple[bytes | None, bytes | None]], key and value of Kafka
        records, with event time as timestamps.
    """
    counts, errors = count_windows(pipeline, config, source)
    results = counts | "FillSilence" >> FillSilence(
        config.grid, config.job, config.max_silence_seconds
    )
    samples = None
    if config.output.samples:
        samples = errors | "SampleErrorLines" >> SampleErrorLines(
            config.grid, config.output.samples
        )
    return Outputs(results, samples)


def build_live_graph(
    pipeline: beam.Pipeline, config: JobConfig, sources: Mapping[str, beam.PTransform]
) -> Outputs:
    """Builds the whole job on sources without an end.

    Every topic is read, filtered and counted by itself, under its own labels: its counters
    are its own, and a topic that is added later begins to be read when the job goes on.

    Args:
      pipeline: the pipeline to build in.
      config: the checked configuration; read limits do not count.
      sources: topic to source, each as `build_graph` takes it, but without an end.
    """
    grid = config.grid
    counted, errors_of_topics = [], []
    for topic, source in sources.items():
        lines, errors = read_and_filter(pipeline, config, source, label=f"[{topic}]")
        errors_of_topics.append(errors)
        counted.append(
            {"lines": lines, "errors": errors} | f"CountPanes[{topic}]" >> CountPanes(grid)
        )
    results = (
        tuple(counted)
        | "Topics" >> beam.Flatten()
        | "CountWindows" >> SumLiveWindows(grid, config.allowed_lateness_seconds)
        | "SettleWindows"
        >> SettleWindows(
            grid, config.job, config.allowed_lateness_seconds, config.max_silence_seconds
        )
    )
    samples = None
    if config.output.samples:
        samples = (
            tuple(errors_of_topics)
            | "Errors" >> beam.Flatten()
            | "SampleErrorLines" >> SampleErrorLines(grid, config.output.samples)
        )
    return Outputs(results, samples)


def count_windows(pipeline: beam.Pipeline, config: JobConfig, source: beam.PTransform) -> Counted:
    """Read, filter, window, count."""
    window_seconds, slide_seconds = config.grid.window_seconds, config.grid.slide_seconds

    lines, errors = read_and_filter(pipeline, config, source)
    counts = (
        {"lines": lines, "errors": errors}
        | "CountPanes" >> CountPanes(config.grid)
        | "SlidingWindows" >> beam.WindowInto(SlidingWindows(window_seconds, slide_seconds))
        | "Count" >> beam.CombineGlobally(SumCountsFn()).without_defaults()
    )
    return Counted(counts, errors)


def read_and_filter(
    pipeline: beam.Pipeline, config: JobConfig, source: beam.PTransform, label: str = ""
) -> tuple[beam.PCollection[bytes], beam.PCollection[bytes]]:
    """All lines, and the error lines among them; the source may be bounded or not."""
    records = pipeline | f"ReadFromKafka{label}" >> source
    lines = records | f"TakeLines{label}" >> TakeLines()
    errors = lines | f"FilterErrorLines{label}" >> beam.Filter(config.filter)
    return lines, errors
