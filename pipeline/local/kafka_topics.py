"""`error-windows kafka topic`: creates, lists, describes and deletes topics."""

from __future__ import annotations

import argparse

from pipeline.arguments import whole_number
from pipeline.errors import EXIT_DONE
from pipeline.local import kafka_admin
from pipeline.local.kafka_flags import bootstrap_servers, say
from pipeline.local.tables import print_table


def create(flags: argparse.Namespace) -> int:
    """Runs `topic create`; errors as in `kafka_admin.create_topic`."""
    partitions = whole_number("--partitions", flags.partitions)
    kafka_admin.create_topic(bootstrap_servers(flags), flags.topic, partitions=partitions)
    say(f"created {flags.topic}")
    return EXIT_DONE


def list_names(flags: argparse.Namespace) -> int:
    """Runs `topic list`: one name a line."""
    with kafka_admin.admin_client(bootstrap_servers(flags)) as client:
        for name in kafka_admin.topic_names(client):
            print(name)
    return EXIT_DONE


def describe(flags: argparse.Namespace) -> int:
    """Runs `topic describe`. Raises UsageError if there is no such topic."""
    with kafka_admin.admin_client(bootstrap_servers(flags)) as client:
        topic = kafka_admin.require_topic(client, flags.topic)
    print_table(
        ("partition", "beginning_offset", "end_offset", "records"),
        [
            (one.partition, one.beginning_offset, one.end_offset, one.records)
            for one in topic.partitions
        ],
    )
    return EXIT_DONE


def delete(flags: argparse.Namespace) -> int:
    """Runs `topic delete`. Raises UsageError if there is no such topic."""
    kafka_admin.delete_topic(bootstrap_servers(flags), flags.topic)
    say(f"deleted {flags.topic}")
    return EXIT_DONE
