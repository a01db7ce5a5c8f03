"""`error-windows watch`: results of a live job as they come, until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.arguments import FlagParser, choice, rewrite_habits, whole_number
from pipeline.config import OUTPUT_FORMATS
from pipeline.console import LiveTable, print_sample, wants_table
from pipeline.errors import EXIT_DONE
from pipeline.result_source import (
    ResultSource,
    add_source_flags,
    bad_lines_note,
    source_from_flags,
)
from pipeline.result_table import ResultTable, to_line
from transforms.results import format_time

if TYPE_CHECKING:
    from transforms.samples import Sample

    _Element = dict[str, Any] | Sample

_PROG = "error-windows watch"
_KEPT_RESULTS = 100_000
_KEPT_SAMPLES = 1_000
_EXAMPLES = f"""\
examples:
  the table of a job that writes to a topic, from the newest 20 windows on:
    {_PROG} --from=kafka:error-counts --kafka_bootstrap_servers=localhost:9092
  from a folder, with the error lines in it, only what comes from now on:
    {_PROG} --from=results --last=0
  each change as JSON, for a program:
    {_PROG} --from=results --output_format=json

Ends with Ctrl-C (exit code 130).
"""


class _View(Protocol):
    def show(self, result: dict[str, Any]) -> None: ...

    def show_sample(self, sample: Sample) -> None: ...

    def note(self, text: str) -> None: ...


class _JsonLines:
    def show(self, result: dict[str, Any]) -> None:
        print(to_line(result), flush=True)

    def show_sample(self, sample: Sample) -> None:
        print_sample(sample, err=sys.stderr)

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def main(argv: Sequence[str]) -> int:
    """Shows results until Ctrl-C and returns the exit code.

    Raises:
      ErrorWindowsError: for everything that ends it early.
    """
    flags = _parser().parse_args(rewrite_habits(argv))
    as_table = wants_table(choice("--output_format", flags.output_format, OUTPUT_FORMATS))
    last = whole_number("--last", flags.last, minimum=0)
    watch(source_from_flags(flags), as_table=as_table, last=last, job=flags.job)
    return EXIT_DONE


def watch(
    source: ResultSource,
    *,
    as_table: bool,
    last: int,
    job: str | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Shows results on stdout and samples on stderr, until `stop` is set.

    Args:
      source: is followed.
      as_table: rows for a person instead of JSON lines.
      last: begin with so many newest windows of what is there.
      job: only results of this job; None for all. Samples do not say whose they are.
      stop: None: go on until Ctrl-C.
    """
    seen = _Seen(job)
    elements = source.follow(stop or threading.Event())
    for first in elements:
        if first is None:
            break
        seen.add(first)
    backlog = list(seen.newest(last))
    highest = max((one["count"] for one in backlog if isinstance(one, dict)), default=0)
    told = 0
    with contextlib.ExitStack() as stack:
        view: _View = _JsonLines()
        if as_table:
            table = LiveTable(out=sys.stdout, err=sys.stderr, highest=highest)
            view = stack.enter_context(table)
        for one in backlog:
            _show(view, one)
        # The None that ended the backlog was taken from them.
        for next_one in itertools.chain([None], elements):
            if next_one is not None:
                if seen.add(next_one):
                    _show(view, next_one)
            elif source.bad_lines > told:
                told = source.bad_lines
                view.note(bad_lines_note(source))


class _Seen:
    """Tells what is new: results and samples may come again."""

    def __init__(self, job: str | None) -> None:
        self._job = job
        self._table = ResultTable(limit=_KEPT_RESULTS)
        self._samples: dict[Sample, None] = {}

    def add(self, one: _Element) -> bool:
        """Takes it in; returns whether it is to be shown."""
        if isinstance(one, dict):
            return self._job in (None, one["job"]) and self._table.add(one)
        if one in self._samples:
            return False
        self._samples[one] = None
        if len(self._samples) > _KEPT_SAMPLES:
            del self._samples[next(iter(self._samples))]
        return True

    def newest(self, windows: int) -> Iterator[_Element]:
        """Yields the results of so many newest windows, each window's after its samples."""
        results = self._table.settled()
        ends = list(dict.fromkeys(result["window_end"] for result in results))
        shown = set(ends[len(ends) - min(windows, len(ends)) :])
        samples: dict[str, list[Sample]] = {}
        for sample in self._samples:
            samples.setdefault(format_time(sample.pane_end_ms), []).append(sample)
        for result in results:
            if result["window_end"] in shown:
                yield from samples.pop(result["window_end"], ())
                yield result


def _show(view: _View, one: _Element) -> None:
    if isinstance(one, dict):
        view.show(one)
    else:
        view.show_sample(one)


def _parser() -> argparse.ArgumentParser:
    parser = FlagParser(
        prog=_PROG,
        description="Shows the results of a live job as they come, until Ctrl-C.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_source_flags(parser)
    parser.add_argument(
        "--last",
        metavar="N",
        default="20",
        help="begin with so many newest windows of what is there (default: 20)",
    )
    parser.add_argument(
        "--output_format",
        metavar="auto|json|table",
        default="auto",
        help="auto: a table on a terminal, else JSON lines of each change (default: auto)",
    )
    return parser
