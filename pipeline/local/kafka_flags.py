"""What the commands of `error-windows kafka` share: their flags, and which brokers they mean."""

from __future__ import annotations

import argparse
import pathlib
import sys

from pipeline.errors import ServiceError
from pipeline.kafka_errors import BOOTSTRAP_FLAG
from pipeline.local.kafka_folder import RunningKafka, default_data_dir, find_running


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Shows the default of every flag that has one."""

    def _get_help_string(self, action: argparse.Action) -> str:
        shown = action.default not in (None, False, argparse.SUPPRESS)
        return f"{action.help} (default: %(default)s)" if shown else action.help or ""


def add_dir_flag(parser: argparse.ArgumentParser) -> None:
    """Adds the flag that names the folder of the local broker."""
    parser.add_argument(
        "--dir",
        metavar="FOLDER",
        type=pathlib.Path,
        default=default_data_dir(),
        help="folder of the local broker",
    )


def add_bootstrap_flag(parser: argparse.ArgumentParser) -> None:
    """Adds the flag that names the brokers."""
    parser.add_argument(
        BOOTSTRAP_FLAG,
        metavar="HOST:PORT[,HOST:PORT]",
        help="addresses of the brokers (default: the local broker that runs)",
    )


def bootstrap_servers(flags: argparse.Namespace) -> str:
    """The brokers given, else the local one.

    Raises:
      ServiceError: none are given, and no local broker runs.
    """
    given: str | None = flags.kafka_bootstrap_servers
    return require_running(flags.dir).bootstrap_servers if given is None else given


def require_running(data_dir: pathlib.Path) -> RunningKafka:
    """The live broker of a folder. Raises ServiceError if there is none."""
    running = find_running(data_dir)
    if running is None:
        raise ServiceError(
            f"{BOOTSTRAP_FLAG}: not given, and no local broker runs. "
            "Start one (error-windows kafka start) or give host:port."
        )
    return running


def say(text: str) -> None:
    """Tells the person something; stdout is for data."""
    print(text, file=sys.stderr, flush=True)
