"""Something that takes connections and is no broker."""

from __future__ import annotations

import socket
import threading

import pytest

from pipeline import kafka_connection
from pipeline.config import KafkaConfig
from pipeline.errors import ServiceError
from pipeline.kafka_connection import KafkaConnection
from pipeline.kafka_properties import KafkaProperties


def _hang_up(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        connection.close()


def test_a_port_that_speaks_no_kafka_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says what the client saw, names the address and what to check."""
    monkeypatch.setattr(kafka_connection, "_REQUEST_TIMEOUT_SECONDS", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_hang_up, args=(server,), daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        kafka = KafkaConfig(KafkaProperties({"bootstrap.servers": address}), ("logs",), "beam")

        with pytest.raises(ServiceError) as caught:
            KafkaConnection(kafka).partitions()
        server.shutdown(socket.SHUT_RDWR)

    message = str(caught.value)
    assert message.startswith("--kafka_bootstrap_servers: no usable answer from the brokers (")
    assert message.endswith(
        f"), got '{address}'. Check the address, security.protocol and the login."
    )
    assert "\n" not in message
