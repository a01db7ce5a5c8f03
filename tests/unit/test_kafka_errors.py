"""What is told when a broker does not answer or a topic is not there."""

from __future__ import annotations

import pytest

from pipeline.errors import ServiceError, UsageError
from pipeline.kafka_errors import no_such_topic_error, require_broker
from pipeline.local.ports import free_ports


@pytest.mark.parametrize(
    ("existing", "hint"),
    [
        ([], "The brokers have no topics yet."),
        (["__consumer_offsets"], "The brokers have no topics yet."),
        (["unlike"], "The brokers have: unlike."),
        (list("fedcba"), "The brokers have: a, b, c, d, e, and more."),
        (["logs"], "Did you mean 'logs'?"),
        (["logs", "logz"], "Did you mean 'logz' or 'logs'?"),
        (["logs", "logz", "loga", "logb"], "Did you mean 'logz', 'logs' or 'logb'?"),
    ],
)
def test_a_missing_topic_is_told_with_near_names_or_some_that_are(
    existing: list[str], hint: str
) -> None:
    """At most three near names, nearest first; without one, what there is."""
    error = no_such_topic_error("--input_topic", "log", existing)

    assert f"--input_topic: no such topic, got 'log'. {hint}" == str(error)


def test_refused_connections_are_an_answer() -> None:
    """No waiting for a timeout when nobody listens."""
    first, second = free_ports(2)
    addresses = f"localhost:{first},127.0.0.1:{second}"

    with pytest.raises(ServiceError) as caught:
        require_broker(addresses)

    assert (
        f"--kafka_bootstrap_servers: no broker answers (connection refused), got '{addresses}'. "
        "Check that Kafka runs there; error-windows kafka start starts one on this machine."
    ) == str(caught.value)


@pytest.mark.parametrize(
    "address", ["", "localhost", ":9092", "host:", "host:x", "host:0", "h:65536"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    """It needs a host and a port."""
    with pytest.raises(UsageError) as caught:
        require_broker(f"localhost:1,{address}")

    assert (
        f"--kafka_bootstrap_servers: not an address, got {address!r}. "
        "Give host:port, port 1 to 65535."
    ) == str(caught.value)
