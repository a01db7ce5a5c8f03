"""The broker's settings file: one KRaft node on the loopback address that forgets nothing."""

from __future__ import annotations

import pathlib

from pipeline.local.ports import LOOPBACK

NODE_ID = 1
# A record of a 1 MB line must pass with room to spare, in every hop.
MAX_RECORD_BYTES = 10 * 1024 * 1024


def server_properties(log_dir: pathlib.Path, port: int, controller_port: int) -> str:
    """The text of `server.properties`.

    Args:
      log_dir: where Kafka keeps its data; absolute.
      port: for clients.
      controller_port: for the broker's own metadata quorum, of one.
    """
    settings = {
        "process.roles": "broker,controller",
        "node.id": NODE_ID,
        # A fixed quorum: its address stands only here, so the port may change between starts.
        "controller.quorum.voters": f"{NODE_ID}@{LOOPBACK}:{controller_port}",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
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
        # One node holds the only copy of everything.
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # 50 partitions each, made for clusters, cost seconds and files on one machine.
        "offsets.topic.num.partitions": 1,
        "transaction.state.log.num.partitions": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        # A consumer group starts with its first member; tests and demos have no more.
        "group.initial.rebalance.delay.ms": 0,
        # After `kill -9` a broker is let in again only when its old session has run out: 9 s
        # by default. Broker and controller share a JVM, so a pause hits both and ends none.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
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
