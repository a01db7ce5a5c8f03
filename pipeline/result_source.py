"""Reads results from where a job wrote them: a topic, a folder, or one file."""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.growing_files import Tail, reading
from pipeline.kafka_properties import KafkaProperties
from pipeline.result_table import parse_result
from pipeline.source_flags import add_connection_flags, add_from_flag, open_source
from transforms.escape import escape_terminal

if TYPE_CHECKING:
    from transforms.samples import Sample

_POLL_SECONDS = 0.5
_RESULTS = re.compile(r"results-.*\.jsonl")
_SAMPLES = re.compile(r"samples-.*\.jsonl")


class ResultSource(Protocol):
    """Where results are read.

    Attributes:
      name: what messages call it.
      bad_lines: lines or records so far that are no results.
    """

    name: str
    bad_lines: int

    def read_all(self) -> Iterator[dict[str, Any]]:
        """Yields what is there, up to its end at the start, and ends."""
        ...

    def follow(self, stop: threading.Event) -> Iterator[dict[str, Any] | Sample | None]:
        """Yields what is there and what comes, until `stop` is set.

        The first None says that all that was there at the start has been read; later ones come
        about every half a second while there is nothing, so that a caller can look at other things.
        """
        ...


def add_source_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say where results are read, and whose."""
    add_from_flag(parser, "results-*.jsonl")
    parser.add_argument("--job", metavar="NAME", help="only results of this job")
    add_connection_flags(parser, "Kafka, for a topic")


def bad_lines_note(source: ResultSource) -> str:
    """What to tell about lines that are no results; safe for a terminal."""
    count = source.bad_lines
    noun = "line is no result and was" if count == 1 else "lines are no results and were"
    return escape_terminal(f"note: {count:,} {noun} left out of {source.name}")


def source_from_flags(flags: argparse.Namespace) -> ResultSource:
    """The source that the flags of `add_source_flags` name; nothing is read yet.

    Raises:
      UsageError: there is no such folder or file, or brokers are missing, or a setting is wrong.
    """

    def of_topic(topic: str, properties: KafkaProperties) -> ResultSource:
        from pipeline.results_topic import TopicResults

        return TopicResults(topic, properties)

    return open_source(flags, of_topic, PathResults)


class PathResults:
    """Reads results from the files of a folder, or from one file.

    Only whole lines count: a last one without a newline is still being written, or was left by
    a writer that was killed.

    Attributes:
      name: what messages call it.
      bad_lines: lines so far that are no results.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.name = str(path)
        self.bad_lines = 0
        self._path = path
        self._tails: dict[str, Tail] = {}

    def read_all(self) -> Iterator[dict[str, Any]]:
        """Yields what is there. Raises UsageError if a file cannot be read."""
        with reading(self._path):
            for path in self._paths(_RESULTS):
                yield from self._results(Tail(path))

    def follow(self, stop: threading.Event) -> Iterator[dict[str, Any] | Sample | None]:
        """Yields results and samples, also of files that are new or grow, until `stop` is set.

        Raises:
          UsageError: a file cannot be read.
        """
        while not stop.is_set():
            with reading(self._path):
                # Before results: a sample is shown before the window that ends with it.
                for path in self._paths(_SAMPLES):
                    yield from self._samples(self._tails.setdefault(path, Tail(path)))
                for path in self._paths(_RESULTS):
                    yield from self._results(self._tails.setdefault(path, Tail(path)))
            yield None
            stop.wait(_POLL_SECONDS)

    def _paths(self, pattern: re.Pattern[str]) -> list[str]:
        if not self._path.is_dir():
            return [str(self._path)] if pattern is _RESULTS else []
        with os.scandir(self._path) as entries:
            return sorted(entry.path for entry in entries if pattern.fullmatch(entry.name))

    def _results(self, tail: Tail) -> Iterator[dict[str, Any]]:
        for line in tail.new_lines():
            result = parse_result(line)
            if result is None:
                self.bad_lines += 1
            else:
                yield result

    def _samples(self, tail: Tail) -> Iterator[Sample]:
        # Here, because it loads Beam.
        from pipeline.sample_json import sample_from_json

        for line in tail.new_lines():
            try:
                yield sample_from_json(line)
            except ValueError:
                self.bad_lines += 1
