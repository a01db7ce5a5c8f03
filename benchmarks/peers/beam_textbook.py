"""The job as Beam's documentation writes it: read, decode, filter, window, count.

On Flink inside one process, with Beam's and Flink's defaults. A window may be told in parts, so
counts of one window are to be added up.
"""

from __future__ import annotations

from pathlib import Path

import apache_beam as beam
from apache_beam.io.kafka import ReadFromKafka
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.window import IntervalWindow, SlidingWindows

from benchmarks.peers.protocol import WORD, Settings, read_settings, tell
from pipeline.local.expansion import ExpansionService
from pipeline.local.flink_job_server import FlinkJobServer


class TellFn(beam.DoFn):
    """Tells a window's count."""

    def process(self, element: int, window: IntervalWindow = beam.DoFn.WindowParam) -> None:
        """One line."""
        tell(int(window.end) * 1000, element)


def main(settings: Settings) -> None:
    """Runs until it is interrupted."""
    folder, word = Path(settings.folder), WORD.decode()
    with (
        ExpansionService(folder / "expansion.log", embedded=True) as expansion,
        FlinkJobServer(folder / "flink.log", folder / "artifacts") as job_server,
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
        windows = SlidingWindows(settings.window_ms // 1000, settings.slide_ms // 1000)
        pipeline = beam.Pipeline(options=options)
        _ = (
            pipeline
            | ReadFromKafka(
                {"bootstrap.servers": settings.servers, "auto.offset.reset": "earliest"},
                [settings.topic],
                timestamp_policy=ReadFromKafka.create_time_policy,
                expansion_service=expansion.address(),
            )
            | "Decode" >> beam.Map(lambda record: record[1].decode("utf-8"))
            | "Filter" >> beam.Filter(lambda line: word in line)
            | "Window" >> beam.WindowInto(windows)
            | "Count" >> beam.CombineGlobally(beam.combiners.CountCombineFn()).without_defaults()
            | "Tell" >> beam.ParDo(TellFn())
        )
        pipeline.run().wait_until_finish()


if __name__ == "__main__":
    main(read_settings())
