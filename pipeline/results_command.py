"""`error-windows results`: the kept result of every window, once, as JSON lines."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pipeline.arguments import FlagParser, rewrite_habits
from pipeline.errors import EXIT_DONE
from pipeline.result_source import add_source_flags, bad_lines_note, source_from_flags
from pipeline.result_table import ResultTable, to_line

_PROG = "error-windows results"
_EXAMPLES = f"""\
examples:
  what a live job wrote to a topic, one line per window:
    {_PROG} --from=kafka:error-counts --kafka_bootstrap_servers=localhost:9092
  only windows that nothing can change any more, from a folder:
    {_PROG} --from=results --final_only

Of results that were written twice, and of revisions, one is kept per window: the one with the
highest count. Ordered by window end. Ends at what was the end at the start.
"""


def main(argv: Sequence[str]) -> int:
    """Prints the kept results and returns the exit code.

    Raises:
      ErrorWindowsError: for everything that ends it early.
    """
    flags = _parser().parse_args(rewrite_habits(argv))
    source = source_from_flags(flags)
    table = ResultTable()
    for result in source.read_all():
        if flags.job in (None, result["job"]):
            table.add(result)
    for result in table.settled():
        if result["final"] or not flags.final_only:
            print(to_line(result))
    sys.stdout.flush()
    if source.bad_lines:
        print(bad_lines_note(source), file=sys.stderr)
    return EXIT_DONE


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
    return parser
