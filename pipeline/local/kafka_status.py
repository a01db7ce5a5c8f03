"""`error-windows kafka status` and `stop`: what runs of the local Kafka, and its end."""

from __future__ import annotations

import argparse
import dataclasses
import json

from pipeline.arguments import whole_number
from pipeline.errors import EXIT_DONE, EXIT_FAILED
from pipeline.local import kafka_admin
from pipeline.local.kafka_broker import STOP_TIMEOUT_SECONDS, stop_all
from pipeline.local.kafka_flags import say
from pipeline.local.kafka_folder import BrokerFiles, RunningKafka, find_running
from pipeline.local.tables import print_table


def add_stop_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `stop`."""
    parser.add_argument(
        "--timeout_seconds",
        metavar="SECONDS",
        default=f"{STOP_TIMEOUT_SECONDS:.0f}",
        help="time for a clean end, before it is killed",
    )


def stop(flags: argparse.Namespace) -> int:
    """Runs `stop`. Raises ServiceError if a broker does not end."""
    timeout_seconds = whole_number("--timeout_seconds", flags.timeout_seconds, minimum=0)
    running = find_running(flags.dir)
    if running is None:
        say("Kafka does not run")
    else:
        stop_all(running.live, timeout_seconds)
        say("Kafka is stopped; its records stay")
    return EXIT_DONE


def add_status_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `status`."""
    parser.add_argument("--json", action="store_true", help="one JSON object")


def status(flags: argparse.Namespace) -> int:
    """Runs `status`. Raises ServiceError if the brokers that run do not answer."""
    running = find_running(flags.dir)
    if running is None:
        print(json.dumps({"running": False}) if flags.json else "not running")
        return EXIT_FAILED
    if flags.json:
        print(json.dumps(_status_object(flags, running, _topics(running))))
        return EXIT_DONE
    if len(running.processes) == 1:
        topics = _topics(running)
        print(f"running: process {running.process.pid} at {running.bootstrap_servers}")
    else:
        # Before the topics, which too few brokers cannot tell.
        print(f"running: {len(running.live)} of {len(running.processes)} brokers")
        rows = [
            (one["broker"], one["address"], one["pid"] or "not running")
            for one in _brokers(flags, running)
        ]
        print_table(("broker", "address", "process"), rows)
        topics = _topics(running)
    print_table(
        ("topic", "partitions", "records"),
        [(topic.name, len(topic.partitions), topic.records) for topic in topics],
    )
    return EXIT_DONE


def _topics(running: RunningKafka) -> list[kafka_admin.TopicInfo]:
    with kafka_admin.admin_client(running.bootstrap_servers) as client:
        return kafka_admin.describe_topics(client, kafka_admin.topic_names(client))


def _brokers(flags: argparse.Namespace, running: RunningKafka) -> list[dict[str, object]]:
    addresses = running.bootstrap_servers.split(",")
    all_files = BrokerFiles.of_all(flags.dir, len(addresses))
    return [
        {
            "broker": broker_id,
            "address": address,
            "pid": None if process is None else process.pid,
            "log_path": str(files.log),
        }
        for broker_id, (address, files, process) in enumerate(
            zip(addresses, all_files, running.processes, strict=True), start=1
        )
    ]


def _status_object(
    flags: argparse.Namespace, running: RunningKafka, topics: list[kafka_admin.TopicInfo]
) -> dict[str, object]:
    brokers = _brokers(flags, running)
    only = {name: brokers[0][name] for name in ("pid", "log_path")} if len(brokers) == 1 else {}
    return {
        "running": True,
        **only,
        "bootstrap_servers": running.bootstrap_servers,
        "data_dir": str(flags.dir),
        "brokers": brokers,
        "topics": [{**dataclasses.asdict(topic), "records": topic.records} for topic in topics],
    }
