"""Faults that last: something is away, or does not answer, and comes back after a while."""

from __future__ import annotations

import signal
import time

from pipeline.errors import ServiceError
from tests.chaos.faults import Needs, busy_task_manager
from tests.chaos.processes import send
from tests.chaos.stage import TOPIC, Stage
from tests.chaos.waiting import wait_until

BROKER_DOWN_SECONDS = 20.0
ZOOKEEPER_DOWN_SECONDS = 10.0
FROZEN_SECONDS = 30.0
_STOP_SECONDS = 30.0


class BrokerOutage:
    """kill -9 of the only Kafka broker, which comes back after a while."""

    name = f"Kafka broker killed, away for {BROKER_DOWN_SECONDS:.0f} s"
    needs = Needs()

    def strike(self, stage: Stage) -> None:
        """Kills it; returns when it answers again."""
        stage.kafka.process.kill()
        stage.pause(BROKER_DOWN_SECONDS)
        stage.kafka.start_broker(1)


class LoseBroker:
    """kill -9 of one of three Kafka brokers, the leader of an input partition, for good."""

    name = "one of three Kafka brokers lost"
    needs = Needs(brokers=3)

    def strike(self, stage: Stage) -> None:
        """Kills it; returns when the others have chosen another leader."""
        lost = stage.leader_of(TOPIC, 0)
        stage.kafka.processes[lost - 1].kill()
        wait_until(
            lambda: stage.leader_of(TOPIC, 0) not in (-1, lost),
            what="another leader of the partition",
            timeout_seconds=_STOP_SECONDS,
        )


class ZooKeeperOutage:
    """kill -9 of ZooKeeper, which stays away for a while."""

    name = f"ZooKeeper killed, away for {ZOOKEEPER_DOWN_SECONDS:.0f} s"
    needs = Needs(high_availability=True)

    def strike(self, stage: Stage) -> None:
        """Kills it; returns when it is started again."""
        supervisor = stage.deployment.supervisor
        begin = time.monotonic()
        stage.processes.kill("zookeeper")

        def is_stopped() -> bool:
            # The supervisor starts it again at once, and is asked to stop it between the two.
            try:
                supervisor.stop_program("zookeeper")
            except ServiceError:
                return False
            return True

        wait_until(is_stopped, what="ZooKeeper to stay down", timeout_seconds=_STOP_SECONDS)
        stage.pause(ZOOKEEPER_DOWN_SECONDS - (time.monotonic() - begin))
        supervisor.start_program("zookeeper")


class FreezeTaskManager:
    """SIGSTOP of the TaskManager that runs the job, and SIGCONT after a while.

    Longer than the heartbeat's timeout, so that the job goes on elsewhere, or again, and the
    old tasks wake up in the middle of it.
    """

    name = f"TaskManager frozen for {FROZEN_SECONDS:.0f} s"
    needs = Needs()

    def strike(self, stage: Stage) -> None:
        """Freezes it; returns when it is awake."""
        pid = stage.processes.pid(busy_task_manager(stage))
        send(pid, signal.SIGSTOP)
        try:
            stage.pause(FROZEN_SECONDS)
        finally:
            send(pid, signal.SIGCONT)
