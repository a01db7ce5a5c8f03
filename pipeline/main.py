"""The job's command: flags -> configuration -> run -> exit code.

What takes time to load comes after the flags, so that `--help` and a wrong flag are
answered at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pipeline.arguments import rewrite_habits
from pipeline.config import config_from_flags
from pipeline.errors import UsageError
from pipeline.flags import add_dataflow_flags, build_parser, is_for_dataflow, job_name
from pipeline.kafka_properties import is_secret, split_property
from pipeline.logs import configure_logging


def main(argv: Sequence[str]) -> int:
    """Runs the job that the flags describe; returns the exit code.

    Raises:
      ErrorWindowsError: for everything that ends it early; `pipeline.cli` shows it.
    """
    parser = build_parser()
    add_dataflow_flags(parser)
    flags, beam_arguments = parser.parse_known_args(rewrite_habits(argv))
    if is_for_dataflow(beam_arguments):
        from pipeline.dataflow import run_on_dataflow

        return run_on_dataflow(flags, beam_arguments)
    if flags.attach:
        raise UsageError(
            "--attach", "only for a job on Dataflow", fix="Add --runner=DataflowRunner."
        )
    return run_flags(flags, beam_arguments)


def run_flags(flags: argparse.Namespace, beam_arguments: Sequence[str]) -> int:
    """Runs the job that parsed flags describe; returns the exit code.

    Raises:
      ErrorWindowsError: as `main`.
    """
    configure_logging(verbose=flags.verbose)
    config = config_from_flags(flags, job=job_name(beam_arguments))
    note_secrets(flags)

    from pipeline.console import Progress
    from pipeline.job import run

    with Progress() as progress:
        return run(config, beam_arguments, progress=progress, debug=flags.debug)


def note_secrets(flags: argparse.Namespace) -> None:
    """Says on stderr which setting on the command line is a secret, and never its value."""
    for assignment in flags.consumer_property or ():
        key, _ = split_property("--consumer_property", assignment)
        if is_secret(key):
            print(
                f"note: {key} on the command line can be read by other users of this machine; "
                "a file for --consumer_config can not",
                file=sys.stderr,
            )
