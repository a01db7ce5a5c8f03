"""Windows and counts of the whole graph, with time driven by TestStream.

Windows of the default grid, for a line at 12 s:

    pane    [0        10        20        30        40
                        x
    window  [------------------) ends at 20 (from -10)
    window  [---------------------------) ends at 30 (from 0)
    window            [------------------------- ...) ends at 40 (from 10)
"""

from __future__ import annotations

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.test_stream import TestStream
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import IntervalWindow, TimestampedValue

from pipeline.config import JobConfig, config_from_flags
from pipeline.flags import build_parser
from pipeline.graph import count_panes, count_windows
from transforms.batch_records import BatchRecords
from transforms.grid import Grid
from transforms.panes import Counts
from transforms.records import Record
from transforms.samples import Sample, SampleErrorLines

Event = tuple[float, bytes | None]
ERROR = b"[ERROR] no"
INFO = b"[INFO] yes"
# Times of these tests are about 1970.
LONG_AGO = "--max_past_seconds=10000000000"


def config(*arguments: str) -> JobConfig:
    """The configuration of a job with some flags changed."""
    flags, _ = build_parser().parse_known_args(
        ["--kafka_bootstrap_servers=none:1", "--input_topic=none", LONG_AGO, *arguments]
    )
    return config_from_flags(flags)


def stream(*steps: list[Event] | float) -> TestStream:
    """A source that gives bundles of (event time in seconds, value), with watermarks between."""
    source = TestStream()
    for step in steps:
        if isinstance(step, list):
            source = source.add_elements(
                [
                    TimestampedValue(
                        Record("logs", 0, 0, round(seconds * 1000), None, value), seconds
                    )
                    for seconds, value in step
                ]
            )
        else:
            source = source.advance_watermark_to(step)
    return source.advance_watermark_to_infinity()


def run(source: TestStream, job: JobConfig, expected: list[tuple[int, int, int]]) -> None:
    """Runs the graph up to the counts: (window end in seconds, error lines, lines)."""
    with TestPipeline(options=PipelineOptions(["--streaming"])) as pipeline:
        counted = count_panes(pipeline, job, {"logs": source | BatchRecords()})
        counts = count_windows(counted, job)
        assert_that(counts | beam.Map(with_window_end), equal_to(expected))


def with_window_end(
    element: tuple[str, Counts], window: IntervalWindow = beam.DoFn.WindowParam
) -> tuple[int, int, int]:
    """(window end in seconds, error lines, lines)."""
    _, counts = element
    return int(window.end), counts.errors, counts.lines


def test_a_line_counts_in_three_windows() -> None:
    """A line falls in window / slide windows, the first of which began before it."""
    run(stream([(12, ERROR)]), config(), [(20, 1, 1), (30, 1, 1), (40, 1, 1)])


def test_windows_before_the_first_line_start_before_the_epoch() -> None:
    """A line in the first pane of the epoch belongs to windows that start at -20 s and -10 s."""
    run(stream([(0, ERROR)]), config(), [(10, 1, 1), (20, 1, 1), (30, 1, 1)])


@pytest.mark.parametrize(
    ("seconds", "first_end"),
    [(9.999, 10), (10, 20), (10.001, 20), (-0.001, 0), (-10, 0), (-10.001, -10)],
)
def test_the_edge_of_a_pane_belongs_to_the_later_window(seconds: float, first_end: int) -> None:
    """A window holds its start and not its end, also before 1970."""
    ends = [first_end, first_end + 10, first_end + 20]
    run(stream([(seconds, ERROR)]), config(), [(end, 1, 1) for end in ends])


def test_lines_in_order_are_counted_as_time_goes_on() -> None:
    """Lines that arrive in order, each behind a watermark, give the sums of their panes."""
    run(
        stream([(1, ERROR)], 1, [(11, ERROR), (12, INFO)], 12, [(21, ERROR)], 21),
        config(),
        [(10, 1, 1), (20, 2, 3), (30, 3, 4), (40, 2, 3), (50, 1, 1)],
    )


def test_lines_out_of_order_ahead_of_the_watermark_are_counted() -> None:
    """Disorder does not change a count as long as the watermark has not passed."""
    run(
        stream([(21, ERROR)], 0, [(1, ERROR)], 5, [(11, ERROR)]),
        config(),
        [(10, 1, 1), (20, 2, 2), (30, 3, 3), (40, 2, 2), (50, 1, 1)],
    )


def test_lines_that_are_no_errors_count_as_lines() -> None:
    """A window knows that it had input, also when the filter kept none of it."""
    run(stream([(5, INFO)]), config(), [(10, 0, 1), (20, 0, 1), (30, 0, 1)])


def test_no_input_at_all_gives_no_counts() -> None:
    """The grid begins with the first line: an empty topic has none."""
    run(stream([]), config(), [])


def test_a_tombstone_is_no_line() -> None:
    """A record without a value neither counts nor breaks a silence."""
    run(stream([(5, None)]), config(), [])


def test_an_empty_value_is_a_line() -> None:
    """A record with an empty value is input, just not an error."""
    run(
        stream([(5, b"")]),
        config("--window_seconds=10"),
        [(10, 0, 1)],
    )


def test_window_and_slide_are_options() -> None:
    """A window of 20 s every 5 s: a line at 12 s falls in the four windows that end at 15 to 30."""
    run(
        stream([(12, ERROR)]),
        config("--window_seconds=20", "--slide_seconds=5"),
        [(15, 1, 1), (20, 1, 1), (25, 1, 1), (30, 1, 1)],
    )


def test_samples_are_the_first_error_lines_of_every_slide() -> None:
    """Per pane: the first lines by event time, and how many there are."""
    source = stream(
        [(3, b"ERROR c"), (1, b"ERROR a"), (2, b"ERROR b"), (4, INFO)], 10, [(11, ERROR)]
    )
    with TestPipeline(options=PipelineOptions(["--streaming"])) as pipeline:
        counted = count_panes(pipeline, config("--samples=2"), {"logs": source | BatchRecords()})
        assert_that(
            counted.samples | SampleErrorLines(Grid(30, 10), size=2),
            equal_to([Sample(10_000, 3, (b"ERROR a", b"ERROR b")), Sample(20_000, 1, (ERROR,))]),
        )
