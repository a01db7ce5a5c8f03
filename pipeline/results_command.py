"""`error-windows results`: the kept result of every window, once, as JSON lines."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.arguments import FlagParser, rewrite_habits
from pipeline.errors import EXIT_DONE
from pipeline.result_source import add_source_flags, bad_lines_note, source_from_flags
from pipeline.result_table import ResultTable, settled_form, time_order, to_line
from pipeline.time_range import parse_time_ms
from transforms.results import format_time

_PROG = "error-windows results"
_EXAMPLES = f"""\
examples:
  what a live job wrote to a topic, one line per window:
    {_PROG} --from=kafka:error-counts --kafka_bootstrap_servers=localhost:9092
  only windows that nothing can change any more, from a folder:
    {_PROG} --from=results --final_only
  the same of an hour, as a backfill of this hour counts them:
    {_PROG} --from=results --settled --from_time=2026-11-22T10:00:00Z \\
        --to_time=2026-11-22T11:00:00Z

Of results that were written twice, and of revisions, one is kept per window: the one with the
highest count. Ordered by window end. Ends at what was the end at the start.
"""


def main(argv: Sequence[str]) -> int:
    """Prints the kept results and returns the exit code.

    Raises:
      ErrorWindowsError: for everything that ends it early.
    """
    flags = _parser().parse_args(rewrite_habits(argv))
    in_range = _range(flags)
    source = source_from_flags(flags)
    table = ResultTable()
    for result in source.read_all():
        if flags.job in (None, result["job"]):
            table.add(result)
    for result in table.settled():
        if in_range(result) and (result["final"] or not (flags.final_only or flags.settled)):
            print(to_line(settled_form(result) if flags.settled else result))
    sys.stdout.flush()
    if source.bad_lines:
        print(bad_lines_note(source), file=sys.stderr)
    return EXIT_DONE


def _range(flags: argparse.Namespace) -> Callable[[dict[str, Any]], bool]:
    """Whether the window of a result lies in the range that the flags name."""
    bounds = []
    for flag, text in (("--from_time", flags.from_time), ("--to_time", flags.to_time)):
        time_ms = None if text is None else parse_time_ms(flag, text, "UTC")
        bounds.append(None if time_ms is None else time_order(format_time(time_ms)))
    first, last = bounds

    def is_in(result: dict[str, Any]) -> bool:
        return (first is None or first <= time_order(result["window_start"])) and (
            last is None or time_order(result["window_end"]) <= last
        )

    return is_in


def _parser() -> argparse.ArgumentParser:
    parser = FlagParser(
        prog=_PROG,
        description="Prints the results that a job has written, one per window.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_source_flags(parser)
    parser.add_argument(
        "--final_only", action="store_true", help="leave out windows that may still be amended"
    )
    parser.add_argument(
        "--settled",
        action="store_true",
        help="the same, and each with revision 0: byte for byte what a backfill tells",
    )
    parser.add_argument(
        "--from_time",
        metavar="TIME",
        help="only windows that begin then or later, such as 2026-11-22T10:00:00Z (UTC without a "
        "zone)",
    )
    parser.add_argument("--to_time", metavar="TIME", help="only windows that end then or earlier")
    return parser
