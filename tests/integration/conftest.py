"""A real Kafka broker for the tests of this folder, started once for all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from pipeline.local.kafka_broker import EmbeddedKafka

TopicFactory = Callable[..., str]


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """A running broker that is thrown away at the end; tests take topics of their own from it."""
    folder = tmp_path_factory.mktemp("kafka") / "broker"
    log_path = folder.with_name("broker.log")
    with EmbeddedKafka(folder, log_path=log_path, ephemeral=True) as broker:
        yield broker


@pytest.fixture
def topic(kafka: EmbeddedKafka, request: pytest.FixtureRequest) -> TopicFactory:
    """Makes topics that no other test uses: `topic(partitions=1, settings=None) -> name`."""
    # Letters, digits and '-' only: '.' and '_' are the same to Kafka's metrics, and it warns.
    stem = re.sub(r"[^A-Za-z0-9]+", "-", request.node.nodeid)[-150:].strip("-")
    numbers = iter(range(1_000_000))

    def make(partitions: int = 1, settings: dict[str, str] | None = None) -> str:
        return kafka.create_topic(f"{stem}-{next(numbers)}", partitions, settings=settings)

    return make
