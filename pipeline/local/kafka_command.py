"""`error-windows kafka`: a real Kafka on this machine, with topics, a producer and a consumer."""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
from collections.abc import Callable, Sequence

from pipeline.arguments import FlagParser, rewrite_habits, whole_number
from pipeline.errors import EXIT_DONE, EXIT_FAILED, ServiceError, UsageError
from pipeline.local import kafka_admin, kafka_consume, kafka_produce, kafka_topics
from pipeline.local.kafka_broker import STOP_TIMEOUT_SECONDS, AlreadyRunningError, EmbeddedKafka
from pipeline.local.kafka_flags import (
    HelpFormatter,
    add_bootstrap_flag,
    add_dir_flag,
    require_running,
    say,
)
from pipeline.local.kafka_folder import (
    LOG_FILE,
    failure_reason,
    find_running,
    log_size,
)
from pipeline.local.kafka_topics import print_table

_PROG = "error-windows kafka"
_LONG_SECONDS = 3600.0
# How a JVM ends that was asked to: by itself, or through SIGTERM.
_ASKED_TO_END = (0, 128 + signal.SIGTERM, -signal.SIGTERM)

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

    start = _add_command(
        commands,
        "start",
        _start,
        "starts a broker in the background and prints its address",
        f"{_PROG} start\n  {_PROG} start --port 9092 --foreground",
    )
    start.add_argument(
        "--port",
        metavar="PORT",
        help="port for clients (default: that of the last start, else a free one)",
    )
    start.add_argument(
        "--foreground", action="store_true", help="stay here, and end the broker with Ctrl-C"
    )

    stop = _add_command(
        commands, "stop", _stop, "stops the broker; its records stay", f"{_PROG} stop"
    )
    stop.add_argument(
        "--timeout_seconds",
        metavar="SECONDS",
        default=f"{STOP_TIMEOUT_SECONDS:.0f}",
        help="time for a clean end, before it is killed",
    )

    status = _add_command(
        commands,
        "status",
        _status,
        "tells whether the broker runs, and what is in its topics (exit code 1: not running)",
        f"{_PROG} status --json",
    )
    status.add_argument("--json", action="store_true", help="one JSON object")

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


def _start(flags: argparse.Namespace) -> int:
    if flags.foreground:
        # Before anything is started. A shell's background jobs ignore Ctrl-C otherwise.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
    broker = EmbeddedKafka(flags.dir, port=_port(flags.port))
    try:
        broker.start(detached=not flags.foreground)
    except AlreadyRunningError:
        running = require_running(flags.dir)
        say(f"Kafka runs already, as process {running.process.pid}")
        print(running.bootstrap_servers, flush=True)
        return EXIT_DONE
    if flags.foreground:
        return _stay(broker)
    _announce(broker)
    say(f"next: {_PROG} topic create logs")
    say(f"      {_PROG} produce logs --demo 10000")
    say(f"end:  {_PROG} stop")
    return EXIT_DONE


def _announce(broker: EmbeddedKafka) -> None:
    print(broker.bootstrap_servers, flush=True)
    say(f"Kafka runs as process {broker.process.pid}; its folder is {broker.data_dir}")


def _stay(broker: EmbeddedKafka) -> int:
    log_start = log_size(broker.log_path)
    try:
        _announce(broker)
        say("Ctrl-C ends it")
        exit_code = None
        while exit_code is None:
            exit_code = broker.process.wait(_LONG_SECONDS)
    except KeyboardInterrupt:
        broker.stop()
        say("stopped")
        return EXIT_DONE
    if exit_code not in _ASKED_TO_END:
        reason = failure_reason(broker.log_path, log_start) or f"exit code {exit_code}"
        raise ServiceError(f"kafka: the broker ended: {reason}. Log: {broker.log_path}")
    say("stopped by another process")
    return EXIT_DONE


def _stop(flags: argparse.Namespace) -> int:
    timeout_seconds = whole_number("--timeout_seconds", flags.timeout_seconds, minimum=0)
    running = find_running(flags.dir)
    if running is None:
        say("Kafka does not run")
    else:
        running.process.stop(timeout_seconds)
        say("Kafka is stopped; its records stay")
    return EXIT_DONE


def _status(flags: argparse.Namespace) -> int:
    running = find_running(flags.dir)
    if running is None:
        print(json.dumps({"running": False}) if flags.json else "not running")
        return EXIT_FAILED
    with kafka_admin.admin_client(running.bootstrap_servers) as client:
        topics = kafka_admin.describe_topics(client, kafka_admin.topic_names(client))
    if flags.json:
        status = {
            "running": True,
            "pid": running.process.pid,
            "bootstrap_servers": running.bootstrap_servers,
            "data_dir": str(flags.dir),
            "log_path": str(flags.dir / LOG_FILE),
            "topics": [{**dataclasses.asdict(topic), "records": topic.records} for topic in topics],
        }
        print(json.dumps(status))
        return EXIT_DONE
    print(f"running: process {running.process.pid} at {running.bootstrap_servers}")
    print_table(
        ("topic", "partitions", "records"),
        [(topic.name, len(topic.partitions), topic.records) for topic in topics],
    )
    return EXIT_DONE


def _port(value: str | None) -> int | None:
    if value is None:
        return None
    port = whole_number("--port", value)
    if port > 65535:
        raise UsageError("--port", "not a port", got=value, fix="Give 1 to 65535.")
    return port
