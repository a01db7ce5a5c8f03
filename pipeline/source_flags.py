"""Flags of commands that read what a job wrote, and the source that they name."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Callable
from typing import TypeVar

from pipeline.config import KAFKA_OUTPUT, consumer_settings
from pipeline.errors import UsageError
from pipeline.flags import add_consumer_flags
from pipeline.kafka_errors import BOOTSTRAP_FLAG
from pipeline.kafka_properties import KafkaProperties

FROM_FLAG = "--from"

_OfTopic = TypeVar("_OfTopic")
_OfPath = TypeVar("_OfPath")


def add_from_flag(parser: argparse.ArgumentParser, files: str) -> None:
    """Adds `--from`; `files` are the names of the files that a folder is searched for."""
    parser.add_argument(
        FROM_FLAG,
        dest="source",
        metavar="kafka:TOPIC|PATH",
        required=True,
        help=f"a topic, a folder with {files}, or one file of JSON lines",
    )


def add_connection_flags(parser: argparse.ArgumentParser, title: str) -> argparse._ArgumentGroup:
    """Adds a group of the flags that say how to connect to Kafka, and returns it."""
    kafka = parser.add_argument_group(title)
    kafka.add_argument(
        BOOTSTRAP_FLAG, metavar="HOST:PORT[,HOST:PORT]", help="addresses of the brokers"
    )
    add_consumer_flags(kafka)
    return kafka


def open_source(
    flags: argparse.Namespace,
    of_topic: Callable[[str, KafkaProperties], _OfTopic],
    of_path: Callable[[pathlib.Path], _OfPath],
) -> _OfTopic | _OfPath:
    """The source that `--from` names (`flags.source`); nothing is read yet.

    Args:
      flags: those of `add_from_flag` and `add_connection_flags`.
      of_topic: makes a source of a topic.
      of_path: makes one of a folder or a file.

    Raises:
      UsageError: there is no such folder or file, or brokers are missing, or a setting is wrong.
    """
    if flags.source.startswith(KAFKA_OUTPUT):
        topic = flags.source.removeprefix(KAFKA_OUTPUT)
        if not topic:
            raise UsageError(FROM_FLAG, "no topic", got=flags.source, fix="Write kafka:TOPIC.")
        return of_topic(topic, kafka_properties(flags))
    path = pathlib.Path(flags.source)
    if not flags.source or not path.exists():
        raise UsageError(
            FROM_FLAG,
            "no such folder or file",
            got=flags.source,
            fix="Give kafka:TOPIC, a folder or a file.",
        )
    return of_path(path)


def kafka_properties(flags: argparse.Namespace) -> KafkaProperties:
    """The settings that the flags of a connection give, `bootstrap.servers` among them.

    Raises:
      UsageError: brokers are missing, or a setting or the file of settings is wrong.
    """
    settings = consumer_settings(flags)
    if flags.kafka_bootstrap_servers is not None:
        settings["bootstrap.servers"] = flags.kafka_bootstrap_servers
    if not settings.get("bootstrap.servers"):
        raise UsageError(BOOTSTRAP_FLAG, "missing", fix="Give the brokers, such as localhost:9092.")
    return KafkaProperties(settings)
