"""Where records come from: Beam's Kafka connector, bounded to exact offset ranges or without end.

Python's `ReadFromKafka` expands to the Java connector, KafkaIO, which reads a partition
with a splittable DoFn over "source descriptors" that may carry a start and a stop offset.
The connector makes the descriptors itself, without offsets; `ReadKafkaRanges` expands the
same transform and feeds it descriptors of its own in their place. Where the runner reads the
connector's older, unbounded source, `ReadKafkaUnbounded` takes the records as they come out of
it. Reading, seeking, deserialising and event times stay KafkaIO's.

Sources: KafkaIO.java (`ReadFromKafkaViaSDF`, `GenerateKafkaSourceDescriptor`),
ReadFromKafkaDoFn.java and KafkaSourceDescriptor.java of Beam 2.70.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

import apache_beam as beam
import numpy as np
from apache_beam import coders
from apache_beam.io.kafka import ReadFromKafka
from apache_beam.transforms.external import ImplicitSchemaPayloadBuilder
from apache_beam.typehints.schemas import schema_from_element_type

from pipeline.expanded_kafka import (
    DESCRIPTORS,
    cut_off_converter,
    cut_off_descriptor_maker,
    hide_secrets,
)
from pipeline.kafka_properties import KafkaProperties
from pipeline.offset_ranges import OffsetRange
from pipeline.portions import CreateSpread, in_portions
from transforms.batch_records import BatchRecords
from transforms.batches import RecordBatch
from transforms.java_coder import java_element_type

# KafkaIO sets a range aside when its polls have taken so long in all (whole seconds), and then goes
# on. At the end of a partition it waits for that.
_POLL_TIMEOUT_SECONDS = 1
# Beam's Spark runner can do that from 2.76 on (apache/beam#39331); in 2.70 the job would fail.
# So ranges are small and the time is long.
_SPREAD_POLL_TIMEOUT_SECONDS = 5
_PORTION_OFFSETS = 50_000


class ReadKafkaRanges(beam.PTransform):
    """Reads exactly the records of the given offset ranges with Beam's Kafka connector.

    Output: PCollection[RecordBatch], bounded. Every offset of a range that holds a record is read
    once. The job fails when offsets have expired meanwhile.

    Args:
      properties: settings of the Java consumer.
      ranges: what to read; empty ranges are left out.
      expansion_service: address (`host:port`) or service object of the Java expansion service.
      spread: share the ranges out among tasks, in portions that are each read in one go.
    """

    def __init__(
        self,
        properties: KafkaProperties,
        ranges: Sequence[OffsetRange],
        expansion_service: Any,
        *,
        spread: bool = False,
    ) -> None:
        super().__init__()
        self._properties = properties
        self._ranges = [offsets for offsets in ranges if offsets.size > 0]
        self._expansion_service = expansion_service
        self._spread = spread

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Applies the transform."""
        if not self._ranges:
            return begin | "Nothing" >> beam.Create([]).with_output_types(RecordBatch)
        ranges = in_portions(self._ranges, _PORTION_OFFSETS) if self._spread else self._ranges
        encoded = [encode_descriptor(offsets) for offsets in ranges]
        create = CreateSpread(encoded) if self._spread else beam.Create(encoded, reshuffle=False)
        descriptors = begin | "OffsetRanges" >> create
        records = descriptors | "KafkaIO" >> _ReadDescriptors(
            self._properties,
            sorted({offsets.topic for offsets in self._ranges}),
            self._expansion_service,
            _SPREAD_POLL_TIMEOUT_SECONDS if self._spread else _POLL_TIMEOUT_SECONDS,
        )
        return records | "Batches" >> BatchRecords()

    def display_data(self) -> dict[str, Any]:
        """Topics and how many offsets, for the runner's job page."""
        return {
            "topics": ",".join(sorted({offsets.topic for offsets in self._ranges})),
            "offsets": sum(offsets.size for offsets in self._ranges),
        }


class ReadKafkaUnbounded(beam.PTransform):
    """Beam's `ReadFromKafka` without an end, newest records first, unless the settings say more.

    Output: PCollection[RecordBatch], with the records' Kafka timestamps (CreateTime) as event time.
    """

    def __init__(self, properties: Mapping[str, str], topic: str, expansion_service: Any) -> None:
        super().__init__()
        self._read = _ReadRecords(
            {"auto.offset.reset": "latest", **properties, "enable.auto.commit": "false"},
            [topic],
            # A group of the user's shows in Kafka's own tools how far the job is.
            commit_offset_in_finalize="group.id" in properties,
            timestamp_policy=ReadFromKafka.create_time_policy,
            with_metadata=True,
            expansion_service=expansion_service,
        )

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Applies the transform."""
        records = begin | "KafkaIO" >> self._read
        return records | "Batches" >> BatchRecords(encoded=self._read.gives_encoded)


def encode_descriptor(offsets: OffsetRange) -> bytes:
    """A KafkaSourceDescriptor in Beam's row encoding, as the Java side reads it."""
    encoded: bytes = _DESCRIPTOR_CODER.encode(
        _SourceDescriptor(
            topic=offsets.topic,
            partition=np.int32(offsets.partition),
            start_read_offset=offsets.start,
            start_read_time=None,
            stop_read_offset=offsets.stop,
            stop_read_time=None,
            bootstrap_servers=None,
        )
    )
    return encoded


# The fields of KafkaSourceDescriptor, in the order of its schema. The times are always
# null here, so their type does not show in the encoding. Beam 2.77 encodes `int | None`
# with one byte more than `Optional[int]`, which Java does not expect.
class _SourceDescriptor(NamedTuple):
    topic: str
    partition: np.int32
    start_read_offset: Optional[int]  # noqa: UP045
    start_read_time: Optional[int]  # noqa: UP045
    stop_read_offset: Optional[int]  # noqa: UP045
    stop_read_time: Optional[int]  # noqa: UP045
    bootstrap_servers: Optional[list[str]]  # noqa: UP045


_DESCRIPTOR_CODER = coders.RowCoder(schema_from_element_type(_SourceDescriptor))


class _ReadRecords(ReadFromKafka):
    """`ReadFromKafka` that gives Java's encoded records where the connector can do without rows.

    Attributes:
      gives_encoded: whether it does; known when it has been applied.
    """

    gives_encoded = False

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        records = super().expand(begin)
        hide_secrets(self._expanded_components.transforms.values())
        payload = cut_off_converter(self._expanded_components, self._expanded_transform)
        if payload is not None:
            self.gives_encoded = True
            records.element_type = java_element_type(payload, "KafkaRecordBytes")
        return records


class _ReadDescriptors(ReadFromKafka):
    """`ReadFromKafka` whose source descriptors come from its input, already encoded."""

    def __init__(
        self,
        properties: KafkaProperties,
        topics: list[str],
        expansion_service: Any,
        poll_timeout_seconds: int,
    ) -> None:
        consumer_config = {
            **properties,
            "enable.auto.commit": "false",
            # Ranges are explicit; an offset that is gone must fail, not jump.
            "auto.offset.reset": "none",
        }
        super().__init__(
            consumer_config, topics, with_metadata=True, expansion_service=expansion_service
        )
        # The Java side takes one setting more than the Python class: with a stop time the
        # read is declared bounded. The time itself goes to the descriptor maker only.
        self._payload = ImplicitSchemaPayloadBuilder(
            {
                "consumer_config": consumer_config,
                "topics": topics,
                "key_deserializer": ReadFromKafka.byte_array_deserializer,
                "value_deserializer": ReadFromKafka.byte_array_deserializer,
                "timestamp_policy": ReadFromKafka.create_time_policy,
                "consumer_polling_timeout": poll_timeout_seconds,
                "commit_offset_in_finalize": False,
                # Left out, they would count as set, and rule this kind of read out.
                "redistribute": False,
                "redistribute_num_keys": np.int32(0),
                "allow_duplicates": False,
                "stop_read_time": 0,
            }
        ).payload()

    def expand(self, descriptors: beam.PCollection[bytes]) -> beam.PCollection:
        records = super().expand(beam.pvalue.PBegin(descriptors.pipeline))
        hide_secrets(self._expanded_components.transforms.values())
        collection_id, payload = cut_off_descriptor_maker(
            self._expanded_components, self._expanded_transform
        )
        self._expanded_transform.inputs[DESCRIPTORS] = collection_id
        self._inputs = {DESCRIPTORS: descriptors}
        # The collection is written by Python and read by Java.
        descriptors.element_type = java_element_type(payload, "KafkaSourceDescriptorBytes")
        return records
