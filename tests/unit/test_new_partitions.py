"""New partitions are found once each, in order, and after a while without an answer."""

from __future__ import annotations

import types
from typing import Any

import pytest
from apache_beam.io.restriction_trackers import OffsetRange as Restriction
from apache_beam.utils.timestamp import Duration
from confluent_kafka import KafkaError, KafkaException

from pipeline import new_partitions as module
from pipeline.new_partitions import NumberedPartitions, WatchPartitions
from pipeline.offset_ranges import OffsetRange
from pipeline.restrictions import NO_END, EndlessTracker


class Tracker(EndlessTracker):
    """As Beam hands it to a DoFn: with a way to give back the rest."""

    residual: Restriction | None = None
    delay: Duration | None = None

    def defer_remainder(self, delay: Duration) -> None:
        """Gives back what is not claimed."""
        self.delay = delay
        split = self.try_split(0)
        assert split is not None
        self.residual = split[1]


class Brokers:
    """In the place of a client: a topic with so many partitions; None: no answer."""

    def __init__(self, count: int | None) -> None:
        self._count = count

    def list_topics(self, topic: str, timeout: float) -> Any:
        """As confluent-kafka."""
        if self._count is None:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        partitions = dict.fromkeys(range(self._count))
        return types.SimpleNamespace(topics={topic: types.SimpleNamespace(partitions=partitions)})


@pytest.mark.parametrize(
    ("count", "numbers"),
    [
        (5, [2, 3, 4]),
        (3, [2]),
        (2, []),
        # Brokers that are away, and those that have the topic no more.
        (None, []),
        (0, []),
    ],
)
@pytest.mark.parametrize(("age", "seconds"), [({}, 30), ({"metadata.max.age.ms": "900"}, 1)])
def test_what_is_new_is_given_from_its_beginning(
    monkeypatch: pytest.MonkeyPatch,
    count: int | None,
    numbers: list[int],
    age: dict[str, str],
    seconds: int,
) -> None:
    """And the next call begins behind it, after as long as a client may not know."""
    monkeypatch.setattr(module, "admin_client", lambda *_: Brokers(count))
    fn: Any = WatchPartitions(age, {"logs": 2}, None)._fn
    tracker = Tracker(Restriction(2, NO_END))

    found = list(fn.process(NumberedPartitions("logs", 2, NO_END), tracker=tracker))

    tracker.check_done()
    assert [OffsetRange("logs", number, 0, NO_END) for number in numbers] == found
    assert Restriction(2 + len(numbers), NO_END) == tracker.residual
    assert Duration(seconds) == tracker.delay
