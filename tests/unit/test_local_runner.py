"""Beam's runner in this process, and what its steps tell of a read."""

from __future__ import annotations

from unittest import mock

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.runners.portability.prism_runner import PrismRunner
from apache_beam.testing.util import assert_that, equal_to

from pipeline.console import Progress
from pipeline.local_runner import local_runner, telling
from pipeline.read_progress import Reading, State, show_reading
from transforms.batches import RecordBatch


def batch(partition: int, first: int, records: int) -> RecordBatch:
    """Lines that follow each other."""
    offsets = list(range(first, first + records))
    return RecordBatch(
        "logs",
        partition,
        offsets,
        offsets,
        [b"x"] * records,
        [None] * records,
        [()] * records,
    )


def test_sources_say_what_they_give_and_give_it_as_it_is() -> None:
    """By the number of the read; the runner is put back as it was."""
    batches = [batch(0, 10, 3), batch(1, 0, 2), batch(0, 13, 4)]
    before = fn_runner.ProgressRequester
    options = PipelineOptions()
    with show_reading(
        mock.create_autospec(Progress, is_terminal=False), 9, reads_first=False
    ) as reading:
        with beam.Pipeline(runner=local_runner(options, reading), options=options) as pipeline:
            sources = telling({"logs": beam.Create(batches)}, reading)
            assert_that(pipeline | sources["logs"], equal_to(batches))
        assert State("reading", 9, 9) == reading.state()

    assert before is fn_runner.ProgressRequester


def test_prism_is_not_looked_for() -> None:
    """Beam would download it for a graph without Java, such as one with the native reader."""
    options = PipelineOptions()
    reading = Reading(reads_first=False)
    with mock.patch.object(PrismRunner, "run_pipeline", side_effect=AssertionError("Prism")) as run:
        with beam.Pipeline(runner=local_runner(options, reading), options=options) as pipeline:
            _ = pipeline | beam.Create([1])

        assert [] == run.mock_calls


@pytest.mark.parametrize(
    ("runner", "is_ours"),
    [
        ("DirectRunner", True),
        ("FnApiRunner", True),
        ("apache_beam.runners.direct.DirectRunner", True),
        ("BundleBasedDirectRunner", False),
        ("SparkRunner", False),
    ],
)
def test_another_runner_is_left_to_beam(runner: str, *, is_ours: bool) -> None:
    """Only what is meant by the usual names is ours."""
    found = local_runner(PipelineOptions([f"--runner={runner}"]), Reading(reads_first=False))

    assert is_ours == (found is not None)
