"""Appends lines to files of a folder so that kill -9 and replay do no harm.

Every writer has files of its own, one per UTC date, and never writes to one of an earlier
process. A bundle is written at its end and is on the disk when the bundle counts as done; if
that fails, so does the bundle, and the runner repeats it. A last line without a newline is what
a killed writer left: its bundle comes again in another file.
"""

import os
import uuid
from collections.abc import Callable
from typing import Any

import apache_beam as beam

from pipeline.errors import UsageError
from transforms import metrics
from transforms.clock import wall_clock_ms
from transforms.results import format_time


class AppendFn(beam.DoFn):
    """Appends elements to `<kind>-<date>-<writer>.jsonl` in a folder; output: nothing."""

    def __init__(
        self,
        folder: str,
        kind: str,
        encode: Callable[[Any], str],
        date_ms: Callable[[Any], int],
        counter_name: str | None,
    ) -> None:
        """Touches no file yet.

        Args:
          folder: an absolute path (`local_folder`); made where the worker runs.
          kind: what the names of the files begin with.
          encode: an element to one line of ASCII, without its newline.
          date_ms: an element to the time, milliseconds since the epoch, whose date names its
            file; `now_ms` for elements whose own times may be anything.
          counter_name: counts the elements that are on the disk; None counts none.
        """
        self._folder = folder
        self._kind = kind
        self._encode = encode
        self._date_ms = date_ms
        self._written = None if counter_name is None else metrics.counter(counter_name)
        self._writer = ""
        self._lines: dict[str, list[str]] = {}

    def setup(self) -> None:
        """Makes the folder, and a name for this writer."""
        os.makedirs(self._folder, exist_ok=True)
        self._writer = uuid.uuid4().hex

    def start_bundle(self) -> None:
        """Forgets what a failed bundle had gathered."""
        self._lines = {}

    def process(self, element: Any) -> None:
        """Keeps the line until the bundle ends."""
        date = format_time(self._date_ms(element)).partition("T")[0]
        self._lines.setdefault(date, []).append(self._encode(element))

    def finish_bundle(self) -> None:
        """Writes the bundle; raises OSError if the disk takes less than all of it."""
        for date, lines in self._lines.items():
            path = os.path.join(self._folder, f"{self._kind}-{date}-{self._writer}.jsonl")
            try:
                _append(path, "".join(f"{line}\n" for line in lines).encode("ascii"))
            except OSError:
                # What got into the file may end within a line: nothing may come after it.
                self._writer = uuid.uuid4().hex
                raise
            if self._written is not None:
                self._written.inc(len(lines))


def now_ms(_: Any) -> int:
    """The present time, milliseconds since the epoch, whatever the element says."""
    return wall_clock_ms()


def local_folder(folder: str, *, flag: str = "--output") -> str:
    """The absolute path of a folder that workers write to.

    Raises:
      UsageError: it is none of a local or shared file system.
    """
    if not folder or "://" in folder:
        raise UsageError(
            flag,
            "not a folder of a local or shared file system",
            got=folder,
            fix="Give the path of a folder that workers and readers share.",
        )
    # Workers run in folders of their own.
    return os.path.abspath(folder)


def _append(path: str, data: bytes) -> None:
    """Appends `data` and returns when it and the file's name are on the disk."""
    is_new = not os.path.exists(path)
    with open(path, "ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        folder = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
