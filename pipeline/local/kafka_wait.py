"""Waits until Kafka brokers serve."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from pipeline.errors import ServiceError
from pipeline.local import kafka_admin
from pipeline.local.kafka_layout import PreparedKafka

START_TIMEOUT_SECONDS = 60.0
_POLL_SECONDS = 0.05
_ANSWER_TIMEOUT_SECONDS = 2.0


class NotServingError(ServiceError):
    """Brokers ended, or do not serve in time.

    Attributes:
      broker_ids: those that do not serve.
    """

    def __init__(self, text: str, broker_ids: Sequence[int]) -> None:
        super().__init__(text)
        self.broker_ids = tuple(broker_ids)


def wait_for_kafka(
    prepared: PreparedKafka,
    *,
    is_alive: Callable[[], bool],
    timeout_seconds: float = START_TIMEOUT_SECONDS,
    broker_ids: Collection[int] | None = None,
) -> None:
    """Returns when every broker answers, and knows of all of them that they serve.

    Args:
      prepared: the brokers, started by whomever.
      is_alive: whether all that are waited for still run; asked again and again.
      timeout_seconds: for all of them.
      broker_ids: to wait for these only, others may be down; None for all.

    Raises:
      NotServingError: `is_alive` said no, or the time is over.
    """
    addresses = dict(enumerate(prepared.bootstrap_servers.split(","), start=1))
    wanted = set(addresses if broker_ids is None else broker_ids)
    deadline = time.monotonic() + timeout_seconds
    waiting = sorted(wanted)
    while True:
        if not is_alive():
            raise NotServingError("kafka: a broker ended while starting. See its log.", waiting)
        while waiting and wanted <= serving_brokers(
            addresses[waiting[0]], waiting[0], prepared.cluster_id
        ):
            waiting.pop(0)
        if not waiting:
            return
        if time.monotonic() >= deadline:
            raise NotServingError(
                f"kafka: brokers did not answer in time, got {waiting} of {sorted(wanted)}. "
                "See their logs.",
                waiting,
            )
        time.sleep(_POLL_SECONDS)


def serving_brokers(address: str, broker_id: int, cluster_id: str) -> set[int]:
    """The ids of the brokers that take requests, if the one at an address is among them.

    Empty if it does not answer, or is another one: somebody else's broker may have taken the
    port a moment before ours.
    """
    try:
        with kafka_admin.admin_client(address, timeout_seconds=_ANSWER_TIMEOUT_SECONDS) as client:
            # Others may count one that was killed among the living until its session is over.
            # The client knows the brokers from the one at the address, which lists itself
            # once it is let in, and a request to this one must reach it.
            client.describe_log_dirs({}, brokers=[broker_id])
            cluster = client.describe_cluster()
    except ServiceError:
        return set()
    if cluster["cluster_id"] != cluster_id:
        return set()
    return {one["broker_id"] for one in cluster["brokers"] if not one["is_fenced"]}
