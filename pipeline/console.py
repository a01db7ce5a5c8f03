"""What a person sees: the table of windows, samples of error lines, and the summary."""

from __future__ import annotations

import dataclasses
import json
import select
import shutil
import sys
import types
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console

from pipeline.result_table import rank
from transforms.escape import escape_terminal
from transforms.results import format_time

if TYPE_CHECKING:
    from transforms.samples import Sample

_BAR_COLUMNS = 30
_KEY_COLUMNS = 40
# Rows of a silence that are shown before the rest of it becomes one line.
_SILENT_ROWS = 6
# Windows are amended for a while only; what is older need not be remembered.
_REMEMBERED_RESULTS = 10_000
_INDENT = "    "
TABLE_HEAD = f"{'window (UTC)':<43} {'errors':>9}"
_SILENCE = {"no_input": "no input", "no_errors": "no errors", None: ""}


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a finished job did.

    Attributes:
      records_expected: offsets in the ranges read.
      lines: lines read.
      errors: error lines among them.
      bad: records that could not be used, tombstones among them.
      tombstones: records without a value.
      oversized: records longer than allowed.
      outside: lines outside of the range of a backfill.
      windows: results written.
      skipped_windows: silent windows that got no result.
      topics: topics read, for a person.
      partitions: partitions read.
      seconds: from the command's start to the last result.
    """

    records_expected: int
    lines: int
    errors: int
    bad: int
    tombstones: int
    oversized: int
    outside: int
    windows: int
    skipped_windows: int
    topics: str
    partitions: int
    seconds: float

    def to_lines(self) -> Iterator[str]:
        """The summary for stderr: one line, and one more for each thing out of the ordinary."""
        yield (
            f"read {how_many(self.lines, 'line')} from {how_many(self.partitions, 'partition')} "
            f"of {self.topics}: {how_many(self.errors, 'error line')}, "
            f"{how_many(self.windows, 'window')}, {self.seconds:.1f} s"
        )
        if self.tombstones:
            yield f"note: {how_many(self.tombstones, 'record')} without a value (tombstones)"
        if self.bad - self.tombstones:
            yield (
                f"note: {how_many(self.bad - self.tombstones, 'line')} with a time that cannot be "
                "right: see --dead_letter and --max_future_seconds"
            )
        if self.oversized:
            yield f"note: {how_many(self.oversized, 'line')} longer than --max_line_bytes"
        if self.outside:
            yield (
                f"note: {how_many(self.outside, 'line')} outside of --from_time and --to_time, "
                "in no count"
            )
        missing = self.records_expected - self.lines - self.bad - self.oversized
        if missing:
            yield (
                f"note: {how_many(missing, 'offset')} held no record "
                "(compacted, or the marker of a transaction)"
            )
        if self.skipped_windows:
            yield (
                f"note: {how_many(self.skipped_windows, 'window')} in silences longer than "
                "--max_silence_seconds left out, each with no input"
            )


def wants_table(output_format: str) -> bool:
    """Whether stdout gets rows for a person: as `--output_format` says, `auto` for a terminal."""
    return output_format == "table" or (output_format == "auto" and sys.stdout.isatty())


def print_results(
    results: Iterable[str],
    samples: Iterable[Sample],
    *,
    as_table: bool,
    out: TextIO,
    err: TextIO,
) -> None:
    """Prints results in order, each after the sample of its newest slide.

    Args:
      results: JSON lines, ordered by window end; to `out` as they are, or as rows of a table.
      samples: ordered by the end of their slide; to `err`, escaped and cut to the terminal.
      as_table: rows for a person instead of JSON lines.
      out: receives results and nothing else.
      err: receives the samples.
    """
    rows = list(results)
    waiting = deque(samples)
    highest = max((json.loads(row)["count"] for row in rows), default=0) if as_table else 0
    if as_table and rows:
        print(TABLE_HEAD, file=out)
    for row in rows:
        result = json.loads(row)
        if waiting and format_time(waiting[0].pane_end_ms) == result["window_end"]:
            # Both streams may be the same terminal: keep what belongs together together.
            out.flush()
            print_sample(waiting.popleft(), err=err)
        print(_table_row(result, highest) if as_table else row, file=out)
    out.flush()
    for sample in waiting:
        print_sample(sample, err=err)


def print_result(result: dict[str, object], highest: int, *, out: TextIO) -> None:
    """Prints one result as a row of the table, with a note when it amends an earlier one.

    Args:
      result: the JSON form, parsed.
      highest: the count that the longest bar stands for.
      out: receives the row.
    """
    amended = f"  (amended, revision {result['revision']})" if result["revision"] else ""
    print(f"{_table_row(result, highest)}{amended}", file=out, flush=True)


class LiveTable:
    """The table of a live run, row by row; a context manager, whose end finishes the last line.

    A result that changes nothing in the row shown for its window (a repetition, or the same
    count once more as final) is left out. In a silence of more than six windows with no input
    the seventh and later ones share one line, which counts up in place on a terminal.
    """

    def __init__(self, *, out: TextIO, err: TextIO, highest: int = 0) -> None:
        """Prints nothing yet.

        Args:
          out: receives the rows.
          err: receives the samples.
          highest: the count that the longest bar stands for, until a higher one comes.
        """
        self._out = out
        self._err = err
        self._highest = highest
        self._shown: dict[str, tuple[int, bool]] = {}
        self._silent = 0
        self._silent_end = ""

    def show(self, result: dict[str, Any]) -> None:
        """Shows one result, the JSON form parsed."""
        # What a row shows; a final result is no news, and a lower count is an older one.
        version = rank(result)[:2]
        if version <= self._shown.get(result["id"], (-1, False)):
            return
        self._shown[result["id"]] = version
        if len(self._shown) > _REMEMBERED_RESULTS:
            del self._shown[next(iter(self._shown))]
        if result["silence"] == "no_input":
            self._silent += result["window_end"] != self._silent_end
            self._silent_end = result["window_end"]
            if self._silent > _SILENT_ROWS:
                if self._out.isatty():
                    print(f"\r{self._rest_of_silence()}", end="", file=self._out, flush=True)
                return
        else:
            self._end_silence()
        self._highest = max(self._highest, result["count"])
        print_result(result, self._highest, out=self._out)

    def show_sample(self, sample: Sample) -> None:
        """Shows a slide's first error lines."""
        self._end_silence()
        print_sample(sample, err=self._err)

    def note(self, text: str) -> None:
        """Tells the person something, on a line of its own."""
        self._end_silence()
        print(text, file=self._err, flush=True)

    def _rest_of_silence(self) -> str:
        rest = self._silent - _SILENT_ROWS
        return f"... {rest:,} more window{'' if rest == 1 else 's'} with no input"

    def _end_silence(self) -> None:
        if self._silent > _SILENT_ROWS:
            # On a terminal the line stands there already.
            print("" if self._out.isatty() else self._rest_of_silence(), file=self._out, flush=True)
        self._silent = 0
        self._silent_end = ""

    def __enter__(self) -> LiveTable:
        print(TABLE_HEAD, file=self._out, flush=True)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self._end_silence()


def print_json(lines: Iterable[str], *, out: TextIO) -> None:
    """Prints lines of ASCII as soon as possible, and none of them in part.

    As many at a time as a pipe takes in one piece: with PYTHONUNBUFFERED, Python loses the rest of
    a longer write that a signal interrupts.
    """
    block = ""
    for line in lines:
        if block and len(block) + len(line) >= select.PIPE_BUF:
            out.write(block)
            out.flush()
            block = ""
        block += f"{line}\n"
    out.write(block)
    out.flush()


def print_lines(path: str, err: TextIO) -> None:
    """Prints a file of JSON lines, all of it written, that is not for stdout.

    Args:
      path: a local file.
      err: receives the lines; stdout is for results only.
    """
    with open(path, encoding="ascii") as file:
        for line in file:
            err.write(line)
    err.flush()


def print_sample(sample: Sample, *, err: TextIO) -> None:
    """Prints a slide's first error lines, escaped and cut to the terminal's width."""
    columns = shutil.get_terminal_size().columns if err.isatty() else None
    print(f"error lines up to {format_time(sample.pane_end_ms)}: {sample.total:,}", file=err)
    for line in sample.lines:
        width = None if columns is None else columns - len(_INDENT)
        print(f"{_INDENT}{escape_terminal(line, width)}", file=err)
    err.flush()


def _table_row(result: dict[str, object], highest: int) -> str:
    count = int(str(result["count"]))
    bar = "█" * round(_BAR_COLUMNS * count / highest) if highest else ""
    note = bar or _SILENCE.get(result["silence"], "")  # type: ignore[call-overload]
    bounds = f"{result['window_start']} - {result['window_end']}"
    row = f"{bounds:<43} {count:>9,}  {note}".rstrip()
    key = result["key"]
    # A key is log text.
    return row if key is None else f"{row}  [{escape_terminal(str(key), _KEY_COLUMNS)}]"


def how_many(count: int, noun: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


class Progress:
    """Says on stderr what is going on: one updating line on a terminal, else a line per stage.

    A context manager; `stage` may be called from any thread.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True, markup=False, highlight=False)
        self._status = self._console.status("")
        self._stage = ""

    def stage(self, text: str) -> None:
        """Names what begins now; what follows a colon is detail that may change often.

        Off a terminal only the first text of a stage gets a line.
        """
        stage = text.partition(":")[0]
        if self._console.is_terminal:
            self._status.update(escape_terminal(text))
            self._status.start()
        elif stage != self._stage:
            self._console.print(text, soft_wrap=True)
        self._stage = stage

    @property
    def is_terminal(self) -> bool:
        """Whether stderr is a terminal, on which a line can be updated."""
        return self._console.is_terminal

    def detail(self, text: str) -> None:
        """Says how far a stage is: in the updating line, or in a line of its own."""
        if self._console.is_terminal:
            self._status.update(escape_terminal(text))
            self._status.start()
        else:
            self._console.print(text, soft_wrap=True)

    def clear(self) -> None:
        """Takes the updating line away, for other output."""
        self._status.stop()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self.clear()
