"""Where results and samples go: files that are complete or not there."""

import uuid
from collections.abc import Callable, Iterable
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.transforms import window

from pipeline.sample_json import sample_from_json, sample_to_json
from transforms import metrics
from transforms.results import Result
from transforms.samples import Sample


class WriteResults(beam.PTransform):
    """Writes results as JSON lines into one file, ordered by window end and key.

    Input: PCollection[Result], bounded. The file appears under its name when all of it is
    written, also when there are no results (then it is empty); an older one is replaced.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def expand(self, results: beam.PCollection[Result]) -> beam.PCollection[None]:
        """Applies the transform."""
        return (
            results
            | "GatherResults" >> beam.combiners.ToList()
            | "WriteResultsFile"
            >> beam.ParDo(WriteLinesFn(self._path, Result.to_json, _place, metrics.RESULTS_WRITTEN))
        )


class WriteSamples(beam.PTransform):
    """Writes samples into one file of JSON lines for `pipeline.console`, lines in Base64.

    Input: PCollection[Sample], bounded.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def expand(self, samples: beam.PCollection[Sample]) -> beam.PCollection[None]:
        """Applies the transform."""
        return (
            samples
            | "AllTime" >> beam.WindowInto(window.GlobalWindows())
            | "GatherSamples" >> beam.combiners.ToList()
            | "WriteSamplesFile" >> beam.Map(_write_samples, self._path)
        )


def read_samples(path: str) -> list[Sample]:
    """The samples that `WriteSamples` wrote, ordered by pane."""
    with open(path, encoding="ascii") as file:
        return [sample_from_json(line) for line in file]


class WriteLinesFn(beam.DoFn):
    """Writes a list of elements, in order, into one file that is complete or not there.

    Input: one list with all elements. Output: nothing.
    """

    def __init__(
        self,
        path: str,
        encode: Callable[[Any], str],
        place: Callable[[Any], Any],
        counter_name: str,
    ) -> None:
        """Touches no file yet.

        Args:
          path: of the file; an older one is replaced.
          encode: an element to one line of ASCII, without its newline.
          place: an element to what the lines are ordered by.
          counter_name: counts the elements written.
        """
        self._path = path
        self._encode = encode
        self._place = place
        self._written = metrics.counter(counter_name)

    def process(self, element: list[Any]) -> Iterable[None]:
        """Writes the file."""
        write_lines(self._path, map(self._encode, sorted(element, key=self._place)))
        self._written.inc(len(element))
        return ()


def _place(result: Result) -> tuple[int, str]:
    return result.window_end_ms, result.key or ""


def _write_samples(samples: list[Sample], path: str) -> None:
    write_lines(path, (sample_to_json(sample) for sample in sorted(samples)))


def write_lines(path: str, lines: Iterable[str]) -> None:
    """Writes lines of ASCII into a file that is complete or not there; replaces an older one."""
    unfinished = f"{path}.{uuid.uuid4().hex}.unfinished"
    try:
        with FileSystems.create(unfinished) as file:
            for line in lines:
                file.write(line.encode("ascii") + b"\n")
        if FileSystems.exists(path):
            FileSystems.delete([path])
        FileSystems.rename([unfinished], [path])
    except BaseException:
        if FileSystems.exists(unfinished):
            FileSystems.delete([unfinished])
        raise
