"""`error-windows kafka`: a real Kafka on this machine, with topics, a producer and a consumer."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from pipeline.arguments import FlagParser, rewrite_habits
from pipeline.local import (
    kafka_consume,
    kafka_produce,
    kafka_start,
    kafka_status,
    kafka_topics,
)
from pipeline.local.kafka_flags import HelpFormatter, add_bootstrap_flag, add_dir_flag

_PROG = "error-windows kafka"

_EXAMPLES = f"""\
examples:
  a broker in the background, a topic, 10,000 demo lines, and the job on them:
    {_PROG} start
    {_PROG} topic create logs --partitions 2
    {_PROG} produce logs --demo 10000
    error-windows --kafka_bootstrap_servers=$({_PROG} start) --input_topic=logs
  see what there is, and end it (the records stay):
    {_PROG} status
    {_PROG} stop

Without --kafka_bootstrap_servers the commands use the broker that `start` started.
"""


def main(argv: Sequence[str]) -> int:
    """Runs one of the commands and returns its exit code.

    Raises:
      ErrorWindowsError: for everything that ends it early.
    """
    flags = _parser().parse_args(rewrite_habits(argv))
    run: Callable[[argparse.Namespace], int] = flags.run
    return run(flags)


def _parser() -> FlagParser:
    parser = FlagParser(
        prog=_PROG,
        description="A real Apache Kafka on this machine, reachable from this machine only.",
        epilog=_EXAMPLES,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    kafka_start.add_flags(
        _add_command(
            commands,
            "start",
            kafka_start.run,
            "starts a broker, or three, in the background and prints the address",
            f"{_PROG} start\n  {_PROG} start --brokers=3\n  {_PROG} start --port 9092 --foreground",
        )
    )
    kafka_status.add_stop_flags(
        _add_command(
            commands,
            "stop",
            kafka_status.stop,
            "stops the brokers; the records stay",
            f"{_PROG} stop",
        )
    )
    kafka_status.add_status_flags(
        _add_command(
            commands,
            "status",
            kafka_status.status,
            "tells which brokers run, and what is in their topics (exit code 1: none runs)",
            f"{_PROG} status --json",
        )
    )
    _add_topic_commands(commands)
    kafka_produce.add_flags(
        _add_command(
            commands,
            "produce",
            kafka_produce.run,
            "writes lines of stdin, or demo lines, to a topic",
            f"{_PROG} produce logs < access.log\n"
            f"  {_PROG} produce logs --demo 10000 --span_seconds 600\n"
            f"  {_PROG} produce logs --key_separator : --rate 100 < keyed.log\n"
            "  printf '2015-12-20T01:46:23Z\\t[ERROR] late\\n' | "
            f"{_PROG} produce logs --timestamp_prefix",
        )
    )
    kafka_consume.add_flags(
        _add_command(
            commands,
            "consume",
            kafka_consume.run,
            "prints the records of a topic",
            f"{_PROG} consume logs --until_end\n"
            f"  {_PROG} consume logs --from_beginning --max_records 10 --json\n"
            f"  {_PROG} consume logs | grep ERROR",
        )
    )
    return parser


def _add_topic_commands(commands: argparse._SubParsersAction[FlagParser]) -> None:
    topic = commands.add_parser(
        "topic",
        help="creates, lists, describes and deletes topics",
        description="Creates, lists, describes and deletes topics.",
        epilog=f"examples:\n  {_PROG} topic create logs --partitions 2\n  {_PROG} topic list",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    topic_commands = topic.add_subparsers(metavar="COMMAND", required=True)
    create = _add_command(
        topic_commands,
        "create",
        kafka_topics.create,
        "creates a topic",
        f"{_PROG} topic create logs --partitions 2",
    )
    create.add_argument("topic", metavar="NAME", help="letters, digits, '.', '_' and '-'")
    create.add_argument("--partitions", metavar="N", default="1", help="how many")
    _add_command(
        topic_commands,
        "list",
        kafka_topics.list_names,
        "prints the names of all topics",
        f"{_PROG} topic list",
    )
    for name, run, summary in (
        ("describe", kafka_topics.describe, "prints the partitions of a topic with their offsets"),
        ("delete", kafka_topics.delete, "deletes a topic with all its records"),
    ):
        command = _add_command(topic_commands, name, run, summary, f"{_PROG} topic {name} logs")
        command.add_argument("topic", metavar="NAME", help="an existing topic")
    for command in topic_commands.choices.values():
        add_bootstrap_flag(command)


def _add_command(
    commands: argparse._SubParsersAction[FlagParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    examples: str,
) -> FlagParser:
    command = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"examples:\n  {examples}",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    add_dir_flag(command)
    command.set_defaults(run=run)
    return command
