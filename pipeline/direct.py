"""`error-windows direct`, which `./run_direct.sh` runs: the job on the DirectRunner.

Without brokers it brings its own input, `pipeline.demo`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pipeline.arguments import rewrite_habits
from pipeline.config import names_brokers
from pipeline.flags import build_parser
from pipeline.main import run_flags

_PROG = "run_direct.sh"


def main(argv: Sequence[str]) -> int:
    """Runs the job on the given Kafka, or on a demo Kafka of its own; returns the exit code.

    Raises:
      ErrorWindowsError: for everything that ends it early.
    """
    parser = build_parser(_PROG)
    _add_demo_flags(parser)
    flags, beam_arguments = parser.parse_known_args(rewrite_habits(argv))
    if names_brokers(flags):
        return run_flags(flags, beam_arguments)

    from pipeline.demo import run_demo

    return run_demo(flags, beam_arguments)


def _add_demo_flags(parser: argparse.ArgumentParser) -> None:
    demo = parser.add_argument_group(
        "demo (used when no --kafka_bootstrap_servers is given: a Kafka of its own)"
    )
    demo.add_argument("--demo_lines", metavar="N", default="20000", help="lines to produce")
    demo.add_argument("--demo_partitions", metavar="N", default="2", help="partitions of the topic")
    demo.add_argument(
        "--demo_error_share", metavar="SHARE", default="0.2", help="error lines among them, 0 to 1"
    )
    demo.add_argument("--demo_seed", metavar="N", default="1", help="another seed, other lines")
    demo.add_argument(
        "--demo_span_seconds",
        metavar="SECONDS",
        default="300",
        help="how far back the event times reach",
    )
