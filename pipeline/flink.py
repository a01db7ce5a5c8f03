"""`error-windows flink`, which `./run_flink.sh` runs: live counting on Flink's mini-cluster.

Without brokers it brings its own input: a real Apache Kafka and demo lines at a steady rate.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pipeline.arguments import rewrite_habits
from pipeline.errors import UsageError
from pipeline.flags import build_parser

_PROG = "run_flink.sh"
_BOUNDS = ("--max_num_records", "--max_read_time")


def main(argv: Sequence[str]) -> int:
    """Counts live until Ctrl-C; returns the exit code.

    Raises:
      ErrorWindowsError: for everything that ends it early.
    """
    parser = build_parser(_PROG)
    _add_live_flags(parser)
    flags, unknown = parser.parse_known_args(rewrite_habits(argv))
    if unknown:
        raise UsageError(
            unknown[0].partition("=")[0], "no such flag of the live job", fix="See --help."
        )
    for flag in _BOUNDS:
        if getattr(flags, flag.removeprefix("--")) is not None:
            raise UsageError(flag, "a live job has no end", fix="Use run_direct.sh.")
    if flags.output != "-":
        raise UsageError(
            "--output", "live results go to stdout", got=flags.output, fix="Redirect stdout."
        )

    from pipeline.live_services import run_live

    return run_live(flags)


def _add_live_flags(parser: argparse.ArgumentParser) -> None:
    live = parser.add_argument_group("live counting")
    live.add_argument(
        "--allowed_lateness_seconds",
        metavar="SECONDS",
        default="30",
        help="lines that come so late still amend their windows",
    )
    live.add_argument(
        "--demo_rate",
        metavar="N",
        default="100",
        help="demo lines a second, when no --kafka_bootstrap_servers is given",
    )
