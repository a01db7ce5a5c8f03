"""A broker's settings file: a KRaft node on the loopback address that forgets nothing."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from pipeline.local.ports import LOOPBACK

# A record of a 1 MB line must pass with room to spare, in every hop.
MAX_RECORD_BYTES = 10 * 1024 * 1024


def server_properties(
    log_dir: pathlib.Path, port: int, controller_ports: Sequence[int], *, broker_id: int = 1
) -> str:
    """The text of `server.properties`.

    Args:
      log_dir: where Kafka keeps its data; absolute.
      port: for clients of this broker.
      controller_ports: of all brokers, in the order of their ids from 1 on; each is a
        member of the metadata quorum too.
      broker_id: which of them this is.
    """
    brokers = len(controller_ports)
    voters = (f"{i}@{LOOPBACK}:{at}" for i, at in enumerate(controller_ports, start=1))
    controller = f"CONTROLLER://{LOOPBACK}:{controller_ports[broker_id - 1]}"
    # With three, one may die: two hold every acknowledged record, and go on.
    replicas, in_sync = min(3, brokers), (2 if brokers >= 3 else 1)
    settings = {
        "process.roles": "broker,controller",
        "node.id": broker_id,
        # A fixed quorum: its addresses stand only here, so ports may change between starts.
        "controller.quorum.voters": ",".join(voters),
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},{controller}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": log_dir,
        # A replayed log of 2015 would be deleted within minutes of being written.
        "log.retention.ms": -1,
        "log.retention.bytes": -1,
        # A mistyped topic must be an error, not an empty topic.
        "auto.create.topics.enable": "false",
        "message.max.bytes": MAX_RECORD_BYTES,
        "replica.fetch.max.bytes": MAX_RECORD_BYTES,
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        # 50 partitions each, made for clusters, cost seconds and files on one machine.
        "offsets.topic.num.partitions": 1,
        "transaction.state.log.num.partitions": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        # A consumer group starts with its first member; tests and demos have no more.
        "group.initial.rebalance.delay.ms": 0,
        # After `kill -9` a broker is let in again only when its old session has run out: 9 s
        # by default. So long the partitions it led wait for another leader, too.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        # Of three that end together the last would wait for the leave of a quorum that is gone,
        # until it is killed. Without asking, one that ends alone is missed after its session.
        "controlled.shutdown.enable": "true" if brokers == 1 else "false",
        # The default of 128 MiB is a quarter of this broker's heap.
        "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
    }
    return "".join(f"{key}={_escaped(str(value))}\n" for key, value in settings.items())


def _escaped(value: str) -> str:
    r"""A value as java.util.Properties reads it: Latin-1 text with `\` escapes."""
    units = value.replace("\\", "\\\\").encode("utf-16-be", "surrogatepass")
    codes = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    return "".join(chr(code) if 0x20 <= code < 0x7F else f"\\u{code:04x}" for code in codes)
