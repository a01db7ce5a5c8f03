"""The two ways to read Kafka, and the choice between them: `--kafka_reader`."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import apache_beam as beam
from confluent_kafka import TopicPartition

from pipeline.config import NATIVE_READER, JobConfig, KafkaConfig
from pipeline.kafka_connection import KafkaConnection
from pipeline.kafka_properties import KafkaProperties
from pipeline.kafka_secrets import public_properties
from pipeline.native_source import ReadKafkaBatches
from pipeline.offset_ranges import OffsetRange
from pipeline.restrictions import NO_END
from pipeline.sources import ReadKafkaRanges, ReadKafkaUnbounded


def bounded_sources(
    config: JobConfig,
    ranges: Mapping[str, Sequence[OffsetRange]],
    expansion_service: Any,
    *,
    on_cluster: bool = False,
    properties_path: str | None = None,
    spread: bool = False,
) -> dict[str, beam.PTransform]:
    """Sources that read offset ranges (by cluster), by name.

    Args:
      config: of the job.
      ranges: what to read.
      expansion_service: address or service object of the Java side, which the native reader does
        without.
      on_cluster: whether others can read the graph, so that secrets must not be in it.
      properties_path: the file with the secrets, the same on all hosts.
      spread: whether the runner has to be told to share the ranges out among its tasks.

    Raises:
      ServiceError: there are secrets and no file for them.
    """
    sources = {}
    for cluster in config.clusters:
        source: beam.PTransform
        if cluster.reader == NATIVE_READER:
            source = _read_batches(
                cluster,
                ranges[cluster.name],
                on_cluster=on_cluster,
                properties_path=properties_path,
                spread=spread,
            )
        else:
            properties = _java_properties(cluster, on_cluster, properties_path)
            source = ReadKafkaRanges(
                properties, ranges[cluster.name], expansion_service, spread=spread
            )
        sources[cluster.source_name("*")] = source
    return sources


def live_sources(
    config: JobConfig, expansion_address: str, *, on_cluster: bool, properties_path: str | None
) -> dict[str, beam.PTransform]:
    """Sources without an end, one per topic, by name.

    Args:
      config: of the job.
      expansion_address: of the Java side, `host:port`.
      on_cluster: whether others can read the graph, so that secrets must not be in it.
      properties_path: the file with the secrets, the same on all hosts.

    Raises:
      ServiceError: brokers do not answer, or there are secrets and no file for them.
    """
    sources: dict[str, beam.PTransform] = {}
    for cluster in config.clusters:
        for topic in cluster.topics:
            source: beam.PTransform
            if cluster.reader == NATIVE_READER:
                source = _read_batches(
                    cluster,
                    _from_now_on(cluster, topic),
                    on_cluster=on_cluster,
                    properties_path=properties_path,
                    live=True,
                    on_time_delay_ms=config.timing.on_time_delay_ms,
                )
            else:
                properties = _java_properties(cluster, on_cluster, properties_path)
                source = ReadKafkaUnbounded(properties, topic, expansion_address)
            sources[cluster.source_name(topic)] = source
    return sources


def _read_batches(
    cluster: KafkaConfig,
    ranges: Sequence[OffsetRange],
    *,
    on_cluster: bool,
    properties_path: str | None,
    live: bool = False,
    on_time_delay_ms: int = 0,
    spread: bool = False,
) -> ReadKafkaBatches:
    return ReadKafkaBatches(
        cluster.properties.public() if on_cluster else cluster.properties,
        ranges,
        properties_path=properties_path if on_cluster else None,
        live=live,
        on_time_delay_ms=on_time_delay_ms,
        spread=spread,
    )


def _java_properties(
    cluster: KafkaConfig, on_cluster: bool, properties_path: str | None
) -> KafkaProperties:
    if not on_cluster:
        return cluster.properties
    return KafkaProperties(public_properties(cluster.properties, properties_path))


def _from_now_on(cluster: KafkaConfig, topic: str) -> list[OffsetRange]:
    """Where a new job begins to read each partition of a topic."""
    connection = KafkaConnection(dataclasses.replace(cluster, topics=(topic,), topic_pattern=None))
    places = [TopicPartition(topic, number) for number in connection.partitions()[topic]]
    from_beginning = cluster.properties.get("auto.offset.reset") == "earliest"
    starts = (
        connection.earliest_offsets(places) if from_beginning else connection.latest_offsets(places)
    )
    return [
        OffsetRange(topic, place.partition, start, NO_END)
        for place, start in zip(places, starts, strict=True)
    ]
