"""Finds the partitions that a topic gets while a job reads it with the native reader.

The partitions of a topic are numbered from 0 on without holes and never become fewer, so their
numbers are offsets of a kind: those from the first unknown one on are the restriction of a
splittable DoFn that asks the brokers now and then. How far it is, is kept by the runner together
with the positions in the partitions: what came while the job was stopped is found, too.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.utils.timestamp import Duration, Timestamp
from confluent_kafka import KafkaException

from pipeline.kafka_client import Remember, admin_client
from pipeline.kafka_secrets import worker_properties
from pipeline.offset_ranges import OffsetRange
from pipeline.restrictions import NO_END, EndlessProvider, WatermarkProvider

# How old a Java client lets its knowledge of partitions become.
_AGE_PROPERTY = "metadata.max.age.ms"
_DEFAULT_AGE_MS = 30_000
_ANSWER_SECONDS = 5.0
# Partitions that are not there yet hold no window back: what is read from one before it is known
# amends windows. In the year 2200, and not at the end of time, where Flink's runner forgets state.
_LONG_AFTER = Timestamp(7_258_118_400)
_LOG = logging.getLogger(__name__)


class NumberedPartitions(NamedTuple):
    """The partitions of a topic with numbers from `start` to before `stop`."""

    topic: str
    start: int
    stop: int


class WatchPartitions(beam.PTransform):
    """Gives the partitions that topics get from now on, to be read from their beginning.

    Output: PCollection of `OffsetRange` from 0 on without an end, each once, in the order of their
    numbers, within `metadata.max.age.ms` (30 s) after the brokers know of it.

    Args:
      properties: the Java consumer's settings without secrets, `bootstrap.servers` among them.
      known: how many partitions every topic has that are read anyway.
      properties_path: a .properties file of more settings, read on the worker.
    """

    def __init__(
        self, properties: Mapping[str, str], known: Mapping[str, int], properties_path: str | None
    ) -> None:
        super().__init__()
        self._topics = [NumberedPartitions(topic, known[topic], NO_END) for topic in sorted(known)]
        self._fn = _WatchFn(dict(properties), properties_path)

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Applies the transform."""
        return (
            begin
            | "Topics" >> beam.Create(self._topics).with_output_types(NumberedPartitions)
            | "Watch" >> beam.ParDo(self._fn).with_output_types(OffsetRange)
        )


# How Beam is told what a DoFn wants to be given.
_RESTRICTION = beam.DoFn.RestrictionParam(EndlessProvider())
_WATERMARK = beam.DoFn.WatermarkEstimatorParam(WatermarkProvider(_LONG_AFTER))


class _WatchFn(beam.DoFn):
    def __init__(self, properties: dict[str, str], properties_path: str | None) -> None:
        self._properties = properties
        self._properties_path = properties_path

    @beam.DoFn.unbounded_per_element()  # type: ignore[untyped-decorator]
    def process(
        self,
        element: NumberedPartitions,
        tracker: Any = _RESTRICTION,
        # Only its state counts: there is no later one.
        _estimator: Any = _WATERMARK,
    ) -> Iterator[OffsetRange]:
        """Asks once and gives back to the runner."""
        properties = worker_properties(self._properties, self._properties_path)
        for number in self._numbers(element.topic, properties):
            if number < tracker.current_restriction().start:
                continue
            if not tracker.try_claim(number):
                return
            _LOG.warning("%s[%d] is new: it is read from its beginning", element.topic, number)
            yield OffsetRange(element.topic, number, 0, NO_END)
        age_ms = int(properties.get(_AGE_PROPERTY, _DEFAULT_AGE_MS))
        # Whole seconds are all that Flink understands.
        tracker.defer_remainder(Duration(max(1, age_ms // 1_000)))

    def _numbers(self, topic: str, properties: Any) -> Sequence[int]:
        """The partitions that the brokers know of, without holes; none if they do not answer."""
        remember = Remember()
        try:
            found = admin_client(properties, remember).list_topics(topic, timeout=_ANSWER_SECONDS)
        except KafkaException as error:
            # The readers of the partitions tell of brokers that are away.
            _LOG.debug("partitions of %s: %s (%s)", topic, error, remember.reason)
            return ()
        return range(len(found.topics[topic].partitions))
