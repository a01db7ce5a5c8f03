"""Where the results of a live job go: sinks that survive kill -9 and replay.

What a worker writes may be written again after a fault. The sinks lose nothing and leave
nothing half written that a reader would take for whole; readers drop what they have already
(`pipeline.result_table`).
"""

import apache_beam as beam

from pipeline.appending import AppendFn, local_folder
from pipeline.producing import OutgoingRecord, WriteToKafka
from pipeline.sample_json import sample_to_json
from transforms import metrics
from transforms.results import Result
from transforms.samples import Sample


class WriteResultsToFolder(beam.PTransform):
    """Appends results to files of JSON lines in a folder, `results-<date>-<writer>.jsonl`.

    Input: PCollection[Result]. Output: PCollection[None], empty.

    The date is that of the window ends. The folder is made where the worker runs, and must be
    one that readers see too.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._fn = AppendFn(
            local_folder(folder),
            "results",
            Result.to_json,
            _window_end_ms,
            metrics.RESULTS_WRITTEN,
        )

    def expand(self, results: beam.PCollection[Result]) -> beam.PCollection[None]:
        """Applies the transform."""
        return results | "AppendResults" >> beam.ParDo(self._fn)


class WriteSamplesToFolder(beam.PTransform):
    """Appends samples to files in a folder, `samples-<date>-<writer>.jsonl`, as above.

    Input: PCollection[Sample]. Output: PCollection[None], empty.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._fn = AppendFn(local_folder(folder), "samples", sample_to_json, _pane_end_ms, None)

    def expand(self, samples: beam.PCollection[Sample]) -> beam.PCollection[None]:
        """Applies the transform."""
        return samples | "AppendSamples" >> beam.ParDo(self._fn)


class WriteResultsToKafka(WriteToKafka):
    """Writes results to a topic: key `id`, value JSON.

    Input: PCollection[Result]. Output: PCollection[None], empty.
    """

    step = "ProduceResults"
    what = "results"
    counter_name = metrics.RESULTS_WRITTEN

    @staticmethod
    def to_record(element: Result) -> OutgoingRecord:
        """Key `id`, value JSON."""
        return OutgoingRecord(element.id.encode("utf-8"), element.to_json().encode("ascii"))


def _window_end_ms(result: Result) -> int:
    return result.window_end_ms


def _pane_end_ms(sample: Sample) -> int:
    return sample.pane_end_ms
