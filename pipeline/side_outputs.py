"""Where dead letters and the ledger go, beside the results: `kafka:TOPIC`, a file or a folder.

Without a place they are only counted.
"""

import os
from collections.abc import Callable
from typing import NamedTuple

import apache_beam as beam

from pipeline.config import KAFKA_OUTPUT, JobConfig
from pipeline.dead_letter_sinks import (
    WriteDeadLetters,
    WriteDeadLettersToFolder,
    WriteDeadLettersToKafka,
)
from pipeline.graph import Outputs
from pipeline.ledger_sinks import WriteLedger, WriteLedgerToFolder, WriteLedgerToKafka
from pipeline.producing import WriteToKafka


class Places(NamedTuple):
    """Where side outputs go; None: nowhere.

    Attributes:
      dead_letters: `kafka:TOPIC`, or the path of a file (bounded) or a folder (live).
      ledger: the same.
    """

    dead_letters: str | None
    ledger: str | None


def write_side_outputs(
    outputs: Outputs,
    config: JobConfig,
    places: Places,
    *,
    live: bool,
    properties_path: str | None,
) -> None:
    """Adds the sinks of dead letters and ledger to the graph.

    Args:
      outputs: of the graph.
      config: the checked configuration; topics are those of its first cluster.
      places: where they go.
      live: whether the graph has no end: then paths are folders.
      properties_path: the file that holds the secrets of the Kafka client.
    """

    def sink(
        place: str,
        to_path: Callable[[str], beam.PTransform],
        to_kafka: type[WriteToKafka],
    ) -> beam.PTransform:
        if not place.startswith(KAFKA_OUTPUT):
            return to_path(os.path.abspath(place) if "://" not in place else place)
        return to_kafka(
            place.removeprefix(KAFKA_OUTPUT),
            config.kafka.bootstrap_servers,
            config.kafka.properties.public(),
            properties_path,
        )

    if places.dead_letters is not None:
        to_path = WriteDeadLettersToFolder if live else WriteDeadLetters
        _ = outputs.dead_letters | "WriteDeadLetters" >> sink(
            places.dead_letters, to_path, WriteDeadLettersToKafka
        )
    if places.ledger is not None:
        rows_to_path = WriteLedgerToFolder if live else WriteLedger
        _ = outputs.ledger | "WriteLedger" >> sink(places.ledger, rows_to_path, WriteLedgerToKafka)
