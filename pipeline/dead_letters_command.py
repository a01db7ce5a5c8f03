"""`error-windows dead-letters`: lists the records that could not be used."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pipeline.arguments import FlagParser, choice, rewrite_habits
from pipeline.config import OUTPUT_FORMATS
from pipeline.console import wants_table
from pipeline.dead_letter_choice import add_dead_letter_flags, choice_from_flags
from pipeline.dead_letter_console import DeadLetterView, bad_records_note
from pipeline.dead_letter_source import source_from_flags
from pipeline.errors import EXIT_DONE

_PROG = "error-windows dead-letters"
_EXAMPLES = f"""\
examples:
  all that a live job wrote to a topic:
    {_PROG} --from=kafka:dead-letters --kafka_bootstrap_servers=localhost:9092
  those that were too late on one morning, from a folder, for another program:
    {_PROG} --from=dead-letters --reason=too_late --from_time=2026-11-22T08:00:00Z \\
        --to_time=2026-11-22T12:00:00Z --output_format=json
  some offsets of a partition:
    {_PROG} --from=dead-letters.jsonl --offsets='logs[0]@1000-1999'

One that was written twice is shown once. Ends at what was the end at the start; a summary by
reason is on stderr. `error-windows replay` puts them back into their topics.
"""


def main(argv: Sequence[str]) -> int:
    """Prints the chosen dead letters and returns the exit code.

    Raises:
      ErrorWindowsError: for everything that ends it early.
    """
    # --topic is a flag of its own here.
    flags = _parser().parse_args(rewrite_habits(argv, keep=("--topic",)))
    as_table = wants_table(choice("--output_format", flags.output_format, OUTPUT_FORMATS))
    chosen = choice_from_flags(flags)
    source = source_from_flags(flags)
    view = DeadLetterView(sys.stdout, as_table=as_table)
    for letter in source.read_all():
        if letter in chosen:
            view.show(letter)
    sys.stdout.flush()
    print(view.summary(), file=sys.stderr)
    if source.bad_records:
        print(bad_records_note(source), file=sys.stderr)
    return EXIT_DONE


def _parser() -> argparse.ArgumentParser:
    parser = FlagParser(
        prog=_PROG,
        description="Lists dead letters: the records that a job could not use.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_dead_letter_flags(parser)
    parser.add_argument(
        "--output_format",
        metavar="auto|json|table",
        default="auto",
        help="auto: a table on a terminal, else JSON lines (default: auto)",
    )
    return parser
