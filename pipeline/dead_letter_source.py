"""Reads dead letters from where a job wrote them: a topic, a folder, or one file."""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import sys
import threading
from collections.abc import Iterator
from typing import Any, Protocol

from pipeline.config import KAFKA_OUTPUT
from pipeline.dead_letter_json import dead_letter_from_json, dead_letter_from_kafka
from pipeline.growing_files import Tail, reading
from pipeline.kafka_client import read_topic
from pipeline.kafka_properties import KafkaProperties
from pipeline.source_flags import FROM_FLAG, open_source
from transforms.dead_letters import DeadLetter

_POLL_SECONDS = 0.5
_FILES = re.compile(r"dead-letters-.*\.jsonl")


class DeadLetterSource(Protocol):
    """Where dead letters are read.

    Attributes:
      name: what messages call it.
      bad_records: lines or records so far that are no dead letters.
    """

    name: str
    bad_records: int

    def read_all(self) -> Iterator[DeadLetter]:
        """Yields what is there, up to its end at the start, each id once, and ends.

        Dead letters come in the order in which they stand there. The ids are kept in memory.

        Raises:
          ServiceError: no broker answers, or the topic cannot be read.
          UsageError: there is no such topic, file or folder, or it cannot be read.
        """
        ...


class TopicDeadLetters:
    """Reads the dead letters in a topic, from its beginning; no offset is committed.

    Attributes:
      name: what messages call it.
      bad_records: records so far that are no dead letters.
    """

    def __init__(self, topic: str, properties: KafkaProperties) -> None:
        self.name = f"{KAFKA_OUTPUT}{topic}"
        self.bad_records = 0
        self._topic = topic
        self._properties = properties

    def read_all(self) -> Iterator[DeadLetter]:
        """Yields all up to what is the end at the start, each once; see `DeadLetterSource`."""
        return _once(self._letters())

    def _letters(self) -> Iterator[DeadLetter]:
        for message in read_topic(self._topic, self._properties, flag=FROM_FLAG):
            try:
                # A name of a header that is not UTF-8 fails here, as a ValueError too.
                headers: Any = message.headers()
                letter = dead_letter_from_kafka(message.key(), message.value(), headers)
            except ValueError:
                self.bad_records += 1
            else:
                yield letter


class PathDeadLetters:
    """Reads dead letters from the files `dead-letters-*.jsonl` of a folder, or from one file.

    Only whole lines count: a last one without a newline is still being written, or was left by
    a writer that was killed.

    Attributes:
      name: what messages call it.
      bad_records: lines so far that are no dead letters.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.name = str(path)
        self.bad_records = 0
        self._path = path
        self._tails: dict[str, Tail] = {}

    def read_all(self) -> Iterator[DeadLetter]:
        """Yields all that is there, each once; see `DeadLetterSource`."""
        return _once(self._new())

    def follow(self, stop: threading.Event) -> Iterator[DeadLetter]:
        """Yields each once, also of files that are new or grow, until `stop` is set.

        What is there when `stop` is set is still read. Raises UsageError as `read_all`.
        """
        return _once(self._followed(stop))

    def _followed(self, stop: threading.Event) -> Iterator[DeadLetter]:
        while not stop.is_set():
            yield from self._new()
            stop.wait(_POLL_SECONDS)
        yield from self._new()

    def _new(self) -> Iterator[DeadLetter]:
        with reading(self._path):
            for path in self._paths():
                for line in self._tails.setdefault(path, Tail(path)).new_lines():
                    try:
                        letter = dead_letter_from_json(line)
                    except ValueError:
                        self.bad_records += 1
                    else:
                        yield letter

    def _paths(self) -> list[str]:
        if not self._path.is_dir():
            return [str(self._path)]
        with os.scandir(self._path) as entries:
            return sorted(entry.path for entry in entries if _FILES.fullmatch(entry.name))


def source_from_flags(flags: argparse.Namespace) -> DeadLetterSource:
    """The source that `--from` names (`flags.source`); nothing is read yet.

    Raises:
      UsageError: there is no such folder or file, or brokers are missing, or a setting is wrong.
    """
    return open_source(flags, TopicDeadLetters, PathDeadLetters)


def _once(letters: Iterator[DeadLetter]) -> Iterator[DeadLetter]:
    """Drops what a runner has repeated."""
    seen: set[tuple[str, int, int]] = set()
    for letter in letters:
        # A topic's name is held once.
        place = (sys.intern(letter.record.topic), letter.record.partition, letter.record.offset)
        if place not in seen:
            seen.add(place)
            yield letter
