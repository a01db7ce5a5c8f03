"""`error-windows dataflow`: asks for a job on Dataflow by its name, and ends it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pipeline.arguments import FlagParser
from pipeline.config import DEFAULT_JOB
from pipeline.errors import EXIT_DONE, EXIT_FAILED
from pipeline.logs import configure_logging

_PROG = "error-windows dataflow"
_COMMANDS = {
    "status": "shows its id and state; exit code 1 if no job of the name runs",
    "cancel": "ends it at once: windows that are not over are not told",
}


def main(argv: Sequence[str]) -> int:
    """Runs a command; returns the exit code.

    Raises:
      ErrorWindowsError: for everything that ends it early.
    """
    flags, beam_arguments = _parser().parse_known_args(argv)
    configure_logging(verbose=flags.verbose)
    # Loads Beam.
    from pipeline.dataflow_options import place_options
    from pipeline.dataflow_service import DataflowService, state_name

    service = DataflowService(place_options(beam_arguments, job=flags.job_name))
    job = service.active_job(flags.job_name)
    if job is None:
        print(f"no job {flags.job_name} runs")
        return EXIT_FAILED
    if flags.command == "cancel":
        service.cancel(job.id)
        print(f"job {flags.job_name} ({job.id}): asked to cancel")
    else:
        print(f"job {flags.job_name} ({job.id}): {state_name(job)}")
    return EXIT_DONE


def _parser() -> FlagParser:
    parser = FlagParser(
        prog=_PROG,
        description="A job on Google Cloud Dataflow, by its name. --project, --region and Beam's "
        "other flags for Google Cloud are taken too.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
            allow_abbrev=False,
        )
        command.add_argument("--job_name", metavar="NAME", default=DEFAULT_JOB, help="of the job")
        command.add_argument(
            "--verbose", action="store_true", help="show the log on stderr, not only in its file"
        )
    return parser
