"""`error-windows kafka start`: one broker or three, in the background or in the foreground."""

from __future__ import annotations

import argparse
import signal

from pipeline.arguments import whole_number
from pipeline.errors import EXIT_DONE, ServiceError, UsageError
from pipeline.local.kafka_broker import EmbeddedKafka, stop_all
from pipeline.local.kafka_flags import require_running, say
from pipeline.local.kafka_folder import (
    AlreadyRunningError,
    RunningKafka,
    find_running,
    process_numbers,
)
from pipeline.local.kafka_layout import BROKER_COUNTS
from pipeline.local.kafka_log import failure_reason, log_size
from pipeline.local.process import ManagedProcess

_PROG = "error-windows kafka"
_LONG_SECONDS = 3600.0
_TURN_SECONDS = 0.2
# How a JVM ends that was asked to: by itself, or through SIGTERM.
_ASKED_TO_END = (0, 128 + signal.SIGTERM, -signal.SIGTERM)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `start`."""
    parser.add_argument(
        "--brokers",
        metavar="N",
        help=f"{' or '.join(map(str, BROKER_COUNTS))}; of three one may die "
        "(default: as in the last start, else 1)",
    )
    parser.add_argument(
        "--port",
        metavar="PORT",
        help="port for clients, of three brokers the first one's, the others take the next "
        "(default: those of the last start, else free ones)",
    )
    parser.add_argument(
        "--foreground", action="store_true", help="stay here, and end the brokers with Ctrl-C"
    )


def run(flags: argparse.Namespace) -> int:
    """Runs `start`; errors as in `EmbeddedKafka.start`."""
    if flags.foreground:
        # Before anything is started. A shell's background jobs ignore Ctrl-C otherwise.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
    brokers = None if flags.brokers is None else whole_number("--brokers", flags.brokers)
    kafka = EmbeddedKafka(flags.dir, brokers=brokers, port=_port(flags.port))
    try:
        kafka.start(detached=not flags.foreground)
    except AlreadyRunningError:
        return _complete(kafka, require_running(flags.dir))
    if flags.foreground:
        return _stay(kafka)
    _announce(kafka)
    say(f"next: {_PROG} topic create logs")
    say(f"      {_PROG} produce logs --demo 10000")
    say(f"end:  {_PROG} stop")
    return EXIT_DONE


def _complete(kafka: EmbeddedKafka, running: RunningKafka) -> int:
    """Starts those of three brokers that do not run."""
    say(f"Kafka runs already, as {process_numbers(running.live)}")
    for broker_id in running.missing:
        process = kafka.start_broker(broker_id, detached=True)
        say(f"broker {broker_id} runs again, as process {process.pid}")
    print(running.bootstrap_servers, flush=True)
    return EXIT_DONE


def _announce(kafka: EmbeddedKafka) -> None:
    print(kafka.bootstrap_servers, flush=True)
    folder = "its folder" if len(kafka.processes) == 1 else "their folder"
    say(f"Kafka runs as {process_numbers(kafka.processes)}; {folder} is {kafka.data_dir}")


def _stay(kafka: EmbeddedKafka) -> int:
    logs = {one: (path, log_size(path)) for one, path in enumerate(kafka.log_paths, start=1)}
    failure = None
    try:
        _announce(kafka)
        say("Ctrl-C ends it" if len(logs) == 1 else "Ctrl-C ends them")
        live = dict(enumerate(kafka.processes, start=1))
        while live:
            broker_id, exit_code = _next_end(live)
            if exit_code in _ASKED_TO_END:
                continue
            log_path, log_start = logs[broker_id]
            reason = failure_reason(log_path, log_start) or f"exit code {exit_code}"
            failure = f"the broker ended: {reason}. Log: {log_path}"
            if live:
                say(f"broker {broker_id} ended ({reason}), the others go on")
                say(f"again: {_PROG} start --dir {kafka.data_dir}")
    except KeyboardInterrupt:
        kafka.stop()
        # One that ended may have been started again, by another process.
        others = find_running(kafka.data_dir)
        stop_all(others.live if others is not None else ())
        say("stopped")
        return EXIT_DONE
    if failure is not None:
        raise ServiceError(f"kafka: {failure}")
    say("stopped by another process")
    return EXIT_DONE


def _next_end(live: dict[int, ManagedProcess]) -> tuple[int, int]:
    """Waits until one of the processes ends and takes it out; its key and exit code."""
    turn_seconds = _LONG_SECONDS if len(live) == 1 else _TURN_SECONDS
    while True:
        for broker_id, process in live.items():
            exit_code = process.wait(turn_seconds)
            if exit_code is not None:
                del live[broker_id]
                return broker_id, exit_code


def _port(value: str | None) -> int | None:
    if value is None:
        return None
    port = whole_number("--port", value)
    if port > 65535:
        raise UsageError("--port", "not a port", got=value, fix="Give 1 to 65535.")
    return port
