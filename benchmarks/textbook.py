"""The job as Beam's documentation writes it: read, decode, filter, window, count. For comparison.

    python -m benchmarks.textbook BOOTSTRAP_SERVERS TOPIC

Prints `window-end-in-ms count` for every pane that fires, on Flink inside one process, with
Beam's and Flink's defaults.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import apache_beam as beam
from apache_beam.io.kafka import ReadFromKafka
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.window import IntervalWindow, SlidingWindows

from pipeline.local.expansion import ExpansionService
from pipeline.local.flink_job_server import FlinkJobServer


class PrintFn(beam.DoFn):
    """Prints a window's count."""

    def process(self, element: int, window: IntervalWindow = beam.DoFn.WindowParam) -> None:
        """One line."""
        print(int(window.end) * 1000, element, flush=True)


def main(arguments: Sequence[str]) -> None:
    """Runs until it is interrupted."""
    servers, topic = arguments
    with (
        tempfile.TemporaryDirectory(prefix="textbook-") as folder,
        ExpansionService(Path(folder) / "expansion.log", embedded=True) as expansion,
        FlinkJobServer(Path(folder) / "flink.log", Path(folder) / "artifacts") as job_server,
    ):
        options = PipelineOptions(
            [
                "--runner=PortableRunner",
                f"--job_endpoint={job_server.address()}",
                "--environment_type=LOOPBACK",
                "--streaming",
                "--parallelism=1",
            ]
        )
        pipeline = beam.Pipeline(options=options)
        _ = (
            pipeline
            | ReadFromKafka(
                {"bootstrap.servers": servers, "auto.offset.reset": "earliest"},
                [topic],
                timestamp_policy=ReadFromKafka.create_time_policy,
                expansion_service=expansion.address(),
            )
            | "Decode" >> beam.Map(lambda record: record[1].decode("utf-8"))
            | "Filter" >> beam.Filter(lambda line: "ERROR" in line)
            | "Window" >> beam.WindowInto(SlidingWindows(30, 10))
            | "Count" >> beam.CombineGlobally(beam.combiners.CountCombineFn()).without_defaults()
            | "Print" >> beam.ParDo(PrintFn())
        )
        pipeline.run().wait_until_finish()


if __name__ == "__main__":
    main(sys.argv[1:])
