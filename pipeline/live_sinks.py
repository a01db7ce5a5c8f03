"""Where the results of a live job go: sinks that survive kill -9 and replay.

What a worker writes may be written again after a fault. The sinks lose nothing and leave
nothing half written that a reader would take for whole; readers drop what they have already
(`pipeline.result_table`).
"""

import logging
import os
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import apache_beam as beam
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from pipeline.errors import ServiceError, UsageError
from pipeline.kafka_properties import KafkaProperties, is_secret, read_properties_file
from pipeline.sample_json import sample_to_json
from transforms import metrics
from transforms.results import Result, format_time
from transforms.samples import Sample

DELIVERY_TIMEOUT_SECONDS = 120.0
_POLL_SECONDS = 0.5
_LOG = logging.getLogger(__name__)


class WriteResultsToFolder(beam.PTransform):
    """Appends results to files of JSON lines in a folder, `results-<date>-<writer>.jsonl`.

    Input: PCollection[Result]. Output: PCollection[None], empty.

    Every writer has files of its own, one per UTC date of the window ends, and never writes to
    one of an earlier process. A bundle is written at its end and is on the disk when the bundle
    counts as done; if that fails, so does the bundle, and the runner repeats it. A last line
    without a newline is what a killed writer left: its bundle comes again in another file.

    The folder is made where the worker runs, and must be one that readers see too.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._fn = _AppendFn(
            _local_folder(folder),
            "results",
            Result.to_json,
            _window_end_ms,
            metrics.RESULTS_WRITTEN,
        )

    def expand(self, results: beam.PCollection[Result]) -> beam.PCollection[None]:
        """Applies the transform."""
        return results | "AppendResults" >> beam.ParDo(self._fn)


class WriteSamplesToFolder(beam.PTransform):
    """Appends samples to files in a folder, `samples-<date>-<writer>.jsonl`, as above.

    Input: PCollection[Sample]. Output: PCollection[None], empty.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._fn = _AppendFn(_local_folder(folder), "samples", sample_to_json, _pane_end_ms, None)

    def expand(self, samples: beam.PCollection[Sample]) -> beam.PCollection[None]:
        """Applies the transform."""
        return samples | "AppendSamples" >> beam.ParDo(self._fn)


class WriteResultsToKafka(beam.PTransform):
    """Writes results to a topic: key `id`, value JSON.

    Input: PCollection[Result]. Output: PCollection[None], empty.

    A bundle counts as done when the brokers have all of it (`acks=all`); if a record is not
    delivered within `DELIVERY_TIMEOUT_SECONDS`, the bundle fails and the runner repeats it.
    """

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
          topic: exists (`pipeline.results_topic.ensure_results_topic`).
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
        self._fn = _ProduceFn(topic, plain, path, delivery_timeout_seconds)

    def expand(self, results: beam.PCollection[Result]) -> beam.PCollection[None]:
        """Applies the transform."""
        return results | "ProduceResults" >> beam.ParDo(self._fn)


class _AppendFn(beam.DoFn):
    def __init__(
        self,
        folder: str,
        kind: str,
        encode: Callable[[Any], str],
        end_ms: Callable[[Any], int],
        counter_name: str | None,
    ) -> None:
        self._folder = folder
        self._kind = kind
        self._encode = encode
        self._end_ms = end_ms
        self._written = None if counter_name is None else metrics.counter(counter_name)
        self._writer = ""
        self._lines: dict[str, list[str]] = {}

    def setup(self) -> None:
        os.makedirs(self._folder, exist_ok=True)
        self._writer = uuid.uuid4().hex

    def start_bundle(self) -> None:
        self._lines = {}

    def process(self, element: Any) -> None:
        date = format_time(self._end_ms(element)).partition("T")[0]
        self._lines.setdefault(date, []).append(self._encode(element))

    def finish_bundle(self) -> None:
        for date, lines in self._lines.items():
            path = os.path.join(self._folder, f"{self._kind}-{date}-{self._writer}.jsonl")
            try:
                _append(path, "".join(f"{line}\n" for line in lines).encode("ascii"))
            except OSError:
                # What got into the file may end within a line: nothing may come after it.
                self._writer = uuid.uuid4().hex
                raise
            if self._written is not None:
                self._written.inc(len(lines))


class _ProduceFn(beam.DoFn):
    # Made by setup(), on the worker: it cannot be pickled, and it holds what secrets there are.
    _producer: Producer

    def __init__(
        self,
        topic: str,
        properties: dict[str, str],
        properties_path: str | None,
        delivery_timeout_seconds: float,
    ) -> None:
        self._topic = topic
        self._properties = properties
        self._properties_path = properties_path
        self._delivery_timeout_seconds = delivery_timeout_seconds
        self._written = metrics.counter(metrics.RESULTS_WRITTEN)
        self._sent = 0
        self._failed = 0
        self._reason = ""
        self._connection_error = ""

    def setup(self) -> None:
        self._producer = self._connect()

    def start_bundle(self) -> None:
        self._sent = self._failed = 0
        self._reason = self._connection_error = ""

    def process(self, element: Result) -> None:
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    element.to_json().encode("ascii"),
                    element.id.encode("utf-8"),
                    on_delivery=self._on_delivery,
                )
                break
            except BufferError:
                # The queue is full: room comes with the next acknowledgements or failures.
                self._producer.poll(_POLL_SECONDS)
        self._sent += 1

    def finish_bundle(self) -> None:
        # Ends at the latest when the delivery timeout of the last record is over.
        self._producer.flush()
        if self._failed:
            # After a fatal error an idempotent producer takes no more records.
            self._producer = self._connect()
            reason = ", ".join(filter(None, [self._reason, self._connection_error]))
            raise ServiceError(
                f"topic: results not delivered: {self._failed} of {self._sent} ({reason}), "
                f"got {self._topic!r}. Check the broker and the topic."
            )
        self._written.inc(self._sent)

    def _connect(self) -> Producer:
        properties: dict[str, str] = {}
        if self._properties_path is not None:
            properties = read_properties_file("--consumer_config", self._properties_path)
        settings: dict[str, Any] = {
            **KafkaProperties({**properties, **self._properties}).to_librdkafka(),
            "acks": "all",
            "enable.idempotence": True,
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
            raise UsageError(
                "--consumer_config",
                f"not accepted by the client ({error.args[0].str()})",
                fix="Correct the setting.",
            ) from None

    def _on_delivery(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed += 1
            self._reason = self._reason or error.str()

    def _on_error(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._connection_error = error.str()


def _window_end_ms(result: Result) -> int:
    return result.window_end_ms


def _pane_end_ms(sample: Sample) -> int:
    return sample.pane_end_ms


def _local_folder(folder: str) -> str:
    if not folder or "://" in folder:
        raise UsageError(
            "--output",
            "not a folder of a local or shared file system",
            got=folder,
            fix="Give the path of a folder that workers and readers share.",
        )
    # Workers run in folders of their own.
    return os.path.abspath(folder)


def _append(path: str, data: bytes) -> None:
    """Appends `data` and returns when it and the file's name are on the disk."""
    is_new = not os.path.exists(path)
    with open(path, "ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        folder = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
