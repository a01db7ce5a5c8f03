"""Lines of the present, at a steady rate, whatever happens to the brokers meanwhile.

What the brokers acknowledged is the truth that results are compared with. The client is
idempotent and waits an hour for a broker that is away, so every line ends up in the topic
exactly once; `read_topic` is for making sure of that.
"""

from __future__ import annotations

import logging
import random
import threading
from types import TracebackType

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from tests.chaos.waiting import now_ms
from tests.reference import Record

ERROR_SHARE = 0.2
MAX_LATE_MS = 3_000
_LATE_SHARE = 0.1
_TICK_SECONDS = 0.02
# More than lies between a line's time and the note that it is under way.
_NOTED_AFTER_MS = 2_000
_HOUR_SECONDS = 3_600
_POLL_SECONDS = 0.1
_IDLE_POLLS = 600
_LOG = logging.getLogger(__name__)


class LineProducer:
    """A thread that produces until it is told to finish.

    A tenth of the lines are up to `MAX_LATE_MS` older than the moment of their production.
    """

    def __init__(
        self, bootstrap_servers: str, topic: str, *, partitions: int, rate: int, seed: int
    ) -> None:
        """Connects to nothing yet.

        Args:
          bootstrap_servers: addresses, `host:port[,host:port]`.
          topic: exists.
          partitions: of the topic; each gets every n-th line.
          rate: lines a second.
          seed: another seed gives other lines.
        """
        self._topic = topic
        self._partitions = partitions
        self._rate = rate
        self._chance = random.Random(seed)
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "enable.idempotence": True,
                "acks": "all",
                "message.timeout.ms": _HOUR_SECONDS * 1000,
                "queue.buffering.max.messages": 2_000_000,
                "linger.ms": 5,
                "reconnect.backoff.max.ms": 1_000,
                # Brokers are killed on purpose; what matters is the outcome of each line.
                "log_level": 0,
            },
            logger=_LOG,
        )
        self._acknowledged: list[Record] = []
        # The moments of their production, in their order.
        self._under_way: dict[int, int] = {}
        self._failure: KafkaError | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="line-producer", daemon=True)

    @property
    def produced(self) -> int:
        """Lines that the brokers have acknowledged."""
        return len(self._acknowledged)

    def acknowledged(self) -> list[Record]:
        """Timestamp in milliseconds and value of each, in the order of acknowledgement."""
        return list(self._acknowledged)

    def complete_until_ms(self) -> int:
        """All lines with older timestamps have been produced and acknowledged."""
        now = now_ms()
        while True:
            try:
                oldest = next(iter(self._under_way.values()), now)
            except RuntimeError:
                continue  # The other thread has just changed it.
            return min(now, oldest) - MAX_LATE_MS - _NOTED_AFTER_MS

    def finish(self) -> list[Record]:
        """Ends production and returns all lines, each of which is acknowledged.

        Raises:
          KafkaException: a line was not delivered.
        """
        self._stop.set()
        self._thread.join()
        while len(self._producer) > 0 and self._failure is None:
            # In small steps: the client's C code does not notice Ctrl-C.
            self._producer.flush(_POLL_SECONDS)
        if self._failure is not None:
            raise KafkaException(self._failure)
        return self.acknowledged()

    def __enter__(self) -> LineProducer:
        self._thread.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._producer.purge()
        self._producer.flush(_POLL_SECONDS)

    def _run(self) -> None:
        start_ms, number = now_ms(), 0
        while not self._stop.is_set() and self._failure is None:
            due = (now_ms() - start_ms) * self._rate // 1000
            while number < due:
                self._produce(number)
                number += 1
            self._producer.poll(_TICK_SECONDS)
            self._stop.wait(_TICK_SECONDS)

    def _produce(self, number: int) -> None:
        chance = self._chance
        late_ms = chance.randrange(MAX_LATE_MS) if chance.random() < _LATE_SHARE else 0
        level = b"ERROR" if chance.random() < ERROR_SHARE else b"INFO"
        now = now_ms()
        record = (now - late_ms, b"[%s] line %d" % (level, number))

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            del message
            del self._under_way[number]
            if error is None:
                self._acknowledged.append(record)
            else:
                self._failure = error

        self._under_way[number] = now
        self._producer.produce(
            self._topic,
            record[1],
            partition=number % self._partitions,
            timestamp=record[0],
            on_delivery=on_delivery,
        )


def read_topic(bootstrap_servers: str, topic: str, *, partitions: int) -> list[Record]:
    """All records of a topic, to the ends of its partitions: timestamp in ms, and value.

    Raises:
      KafkaException: the brokers answer with an error, or not at all.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "chaos",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "log_level": 0,
        },
        logger=_LOG,
    )
    records: list[Record] = []
    unfinished = set(range(partitions))
    idle = 0
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in unfinished])
        while unfinished:
            message = consumer.poll(_POLL_SECONDS)
            idle = idle + 1 if message is None else 0
            if idle > _IDLE_POLLS:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            if message is None:
                continue
            error = message.error()
            if error is None:
                records.append((message.timestamp()[1], message.value()))
            elif error.code() == KafkaError._PARTITION_EOF:
                unfinished.discard(message.partition())
            elif not error.retriable():
                raise KafkaException(error)
    finally:
        consumer.close()
    return records
