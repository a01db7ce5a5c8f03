"""Errors of clients that cannot reach a broker or find a topic, without a broker."""

from __future__ import annotations

import pytest

from pipeline.errors import ServiceError, UsageError
from pipeline.local.kafka_admin import (
    PartitionInfo,
    TopicInfo,
    require_broker,
    unknown_topic_error,
)
from pipeline.local.ports import free_ports


@pytest.mark.parametrize(
    ("existing", "hint"),
    [
        ([], ""),
        (["unlike"], ""),
        (["logs"], "Did you mean 'logs'? "),
        (["logs", "logz"], "Did you mean 'logz' or 'logs'? "),
        (["logs", "logz", "loga", "logb"], "Did you mean 'logz', 'logs' or 'logb'? "),
    ],
)
def test_unknown_topic_names_near_ones(existing: list[str], hint: str) -> None:
    """At most three, nearest first."""
    assert (
        f"--input_topic: no such topic, got 'log'. {hint}"
        "Create it with error-windows kafka topic create log."
    ) == str(unknown_topic_error("--input_topic", "log", existing))


def test_no_broker_answers() -> None:
    """Refused connections are an answer: it does not wait for a timeout."""
    first, second = free_ports(2)
    addresses = f"localhost:{first},127.0.0.1:{second}"
    with pytest.raises(ServiceError) as caught:
        require_broker(addresses)
    assert (
        f"--kafka_bootstrap_servers: no broker answers, got '{addresses}'. "
        "Start one (error-windows kafka start) or check the address."
    ) == str(caught.value)


@pytest.mark.parametrize(
    "address", ["", "localhost", ":9092", "host:", "host:x", "host:0", "h:65536"]
)
def test_what_is_no_address(address: str) -> None:
    """It needs a host and a port."""
    with pytest.raises(UsageError) as caught:
        require_broker(f"localhost:1,{address}")
    assert (
        f"--kafka_bootstrap_servers: not an address, got {address!r}. "
        "Give host:port, port 1 to 65535."
    ) == str(caught.value)


def test_records_are_counted_from_offsets() -> None:
    """Deleted records at the beginning do not count."""
    topic = TopicInfo("logs", (PartitionInfo(0, 5, 12), PartitionInfo(1, 0, 3)))
    assert 10 == topic.records
