"""Produces elements to a Kafka topic, a bundle at a time, so that none is lost.

A bundle counts as done when the brokers have all of it (`acks=all`, an idempotent producer); if
a record is not delivered in time, the bundle fails and the runner repeats it.
"""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from pipeline.errors import ServiceError, UsageError
from pipeline.kafka_client import MAX_MESSAGE_BYTES
from pipeline.kafka_errors import refused_setting_error
from pipeline.kafka_properties import is_secret
from pipeline.kafka_secrets import worker_properties
from transforms import metrics

DELIVERY_TIMEOUT_SECONDS = 120.0
_POLL_SECONDS = 0.5
_LOG = logging.getLogger(__name__)


class OutgoingRecord(NamedTuple):
    """What is produced for an element; its time is the producer's."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


class WriteToKafka(beam.PTransform):
    """Produces every element of a PCollection to one topic.

    Input: PCollection[Any]. Output: PCollection[None], empty. Subclasses say how an element
    becomes a record, by the attributes.

    Attributes:
      step: label of the step that produces.
      what: what error messages call the elements, such as `results`.
      counter_name: counts the elements that the brokers have.
    """

    step: str
    what: str
    counter_name: str

    def __init__(
        self,
        topic: str,
        bootstrap_servers: str,
        properties: Mapping[str, str] | None = None,
        properties_path: str | None = None,
        *,
        delivery_timeout_seconds: float = DELIVERY_TIMEOUT_SECONDS,
    ) -> None:
        """Connects to nothing yet.

        Args:
          topic: exists (`pipeline.results_topic`).
          bootstrap_servers: `host:port[,host:port]`.
          properties: settings of the Java client; they become part of the submitted job, so
            there must be no secret among them.
          properties_path: a .properties file of more settings, read on the worker; the place
            for secrets. `properties` and `bootstrap_servers` beat it.
          delivery_timeout_seconds: how long a record may wait for a broker that is away.

        Raises:
          UsageError: there is a secret among `properties`.
        """
        super().__init__()
        plain = {**(properties or {}), "bootstrap.servers": bootstrap_servers}
        for key in plain:
            if is_secret(key):
                raise UsageError(
                    "--consumer_property",
                    "a secret, which would become part of the submitted job",
                    got=key,
                    fix="Put it into the file of --consumer_config.",
                )
        path = None if properties_path is None else os.path.abspath(properties_path)
        self._fn = ProduceFn(
            topic,
            plain,
            path,
            delivery_timeout_seconds,
            to_record=self.to_record,
            what=self.what,
            counter_name=self.counter_name,
        )

    @staticmethod
    def to_record(element: Any) -> OutgoingRecord:
        """The record of an element."""
        raise NotImplementedError

    def expand(self, elements: beam.PCollection[Any]) -> beam.PCollection[None]:
        """Applies the transform."""
        return elements | self.step >> beam.ParDo(self._fn)


class ProduceFn(beam.DoFn):
    """Produces elements; see `WriteToKafka`."""

    # Made by setup(), on the worker: it cannot be pickled, and it holds what secrets there are.
    _producer: Producer

    def __init__(
        self,
        topic: str,
        properties: dict[str, str],
        properties_path: str | None,
        delivery_timeout_seconds: float,
        *,
        to_record: Callable[[Any], OutgoingRecord],
        what: str,
        counter_name: str,
    ) -> None:
        self._topic = topic
        self._properties = properties
        self._properties_path = properties_path
        self._delivery_timeout_seconds = delivery_timeout_seconds
        self._to_record = to_record
        self._what = what
        self._written = metrics.counter(counter_name)
        self._sent = 0
        self._failed = 0
        self._reason = ""
        self._connection_error = ""

    def setup(self) -> None:
        """Makes the client; raises UsageError if it does not accept a setting."""
        self._producer = self._connect()

    def start_bundle(self) -> None:
        """Begins to count anew."""
        self._sent = self._failed = 0
        self._reason = self._connection_error = ""

    def process(self, element: Any) -> None:
        """Hands the record to the client."""
        record = self._to_record(element)
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    record.value,
                    record.key,
                    headers=list(record.headers),
                    on_delivery=self._on_delivery,
                )
                break
            except BufferError:
                # The queue is full: room comes with the next acknowledgements or failures.
                self._producer.poll(_POLL_SECONDS)
        self._sent += 1

    def finish_bundle(self) -> None:
        """Waits for the brokers; raises ServiceError if they have less than all of it."""
        # Ends at the latest when the delivery timeout of the last record is over.
        self._producer.flush()
        if self._failed:
            # After a fatal error an idempotent producer takes no more records.
            self._producer = self._connect()
            reason = ", ".join(filter(None, [self._reason, self._connection_error]))
            raise ServiceError(
                f"topic: {self._what} not delivered: {self._failed} of {self._sent} ({reason}), "
                f"got {self._topic!r}. Check the broker and the topic."
            )
        self._written.inc(self._sent)

    def _connect(self) -> Producer:
        settings: dict[str, Any] = {
            **worker_properties(self._properties, self._properties_path).to_librdkafka(),
            "acks": "all",
            "enable.idempotence": True,
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "message.timeout.ms": int(self._delivery_timeout_seconds * 1000),
            # Keys land in the partitions where the Java client puts them.
            "partitioner": "murmur2_random",
            # Told by the error of the bundle; not repeated on stderr.
            "log_level": 0,
            "error_cb": self._on_error,
        }
        try:
            return Producer(settings, logger=_LOG)
        except KafkaException as error:
            raise refused_setting_error(error, "--consumer_config") from None

    def _on_delivery(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed += 1
            self._reason = self._reason or error.str()

    def _on_error(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._connection_error = error.str()
