"""Dead letters for people and programs on a terminal: rows, JSON lines, what there is of each."""

from __future__ import annotations

import collections
import contextlib
import functools
import pathlib
import shutil
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

from pipeline.background import in_background
from pipeline.console import how_many
from pipeline.dead_letter_json import dead_letter_id, dead_letter_text, dead_letter_to_json
from pipeline.dead_letter_source import DeadLetterSource, PathDeadLetters
from transforms.dead_letters import DeadLetter
from transforms.escape import escape_terminal
from transforms.results import format_time

_ID_COLUMNS = 24
_TIME_COLUMNS = 24
_REASON_COLUMNS = 10
_NO_VALUE = "(no value)"
_MIN_TEXT_COLUMNS = 20


class DeadLetterView:
    """Prints dead letters one by one, and counts them by reason."""

    def __init__(self, out: TextIO, *, as_table: bool) -> None:
        """Prints nothing yet.

        Args:
          out: receives the rows or lines.
          as_table: rows for a person, cut to the terminal, instead of JSON lines.
        """
        self._out = out
        self._as_table = as_table
        self._counts: collections.Counter[str] = collections.Counter()

    def show(self, letter: DeadLetter) -> None:
        """Shows one dead letter; control characters of any part of it are escaped."""
        if not self._as_table:
            print(dead_letter_to_json(letter), file=self._out)
        else:
            if not self._counts:
                print(_row("dead letter", "record timestamp", "reason", "line"), file=self._out)
            text = dead_letter_text(letter, _text_columns())
            row = _row(
                escape_terminal(dead_letter_id(letter)),
                format_time(letter.record.timestamp),
                escape_terminal(letter.reason),
                _NO_VALUE if text is None else text,
            )
            print(row, file=self._out)
            print(f"    {escape_terminal(letter.detail)}", file=self._out)
        self._counts[letter.reason] += 1

    def summary(self) -> str:
        """How many there were of each reason, safe for a terminal."""
        total = how_many(self._counts.total(), "dead letter")
        parts = [f"{count:,} {reason}" for reason, count in self._counts.most_common()]
        return escape_terminal(f"{total}: {', '.join(parts)}" if parts else total)


def bad_records_note(source: DeadLetterSource) -> str:
    """What to tell about records that are no dead letters; safe for a terminal."""
    count = source.bad_records
    noun = (
        "record is no dead letter and was" if count == 1 else "records are no dead letters and were"
    )
    return escape_terminal(f"note: {count:,} {noun} left out of {source.name}")


def follow_dead_letters(folder: str, stop: threading.Event, err: TextIO) -> None:
    """Prints the dead letters of a live job as JSON lines, each once, until `stop` is set.

    Args:
      folder: of `WriteDeadLettersToFolder`; made if it is not there yet.
      stop: what has been written until then is still printed.
      err: receives the lines; stdout is for results only.
    """
    path = pathlib.Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    for letter in PathDeadLetters(path).follow(stop):
        # One write: lines of other threads must not get in between.
        err.write(f"{dead_letter_to_json(letter)}\n")
        err.flush()


@contextlib.contextmanager
def dead_letters_shown(folder: str | None) -> Iterator[None]:
    """Prints a live job's dead letters on stderr within the block; None: there are none."""
    if folder is None:
        yield
        return
    stop = threading.Event()
    show = functools.partial(follow_dead_letters, folder, stop, sys.stderr)
    with in_background(show, stop, name="dead-letters"):
        yield


def _row(id_: str, time: str, reason: str, text: str) -> str:
    return (
        f"{id_:<{_ID_COLUMNS}} {time:<{_TIME_COLUMNS}} {reason:<{_REASON_COLUMNS}} {text}".rstrip()
    )


def _text_columns() -> int:
    taken = _ID_COLUMNS + _TIME_COLUMNS + _REASON_COLUMNS + 3
    return max(shutil.get_terminal_size().columns - taken, _MIN_TEXT_COLUMNS)
