"""No secret gets into a job's graph."""

from __future__ import annotations

import pathlib

import pytest

from pipeline.errors import ServiceError
from pipeline.kafka_properties import KafkaProperties
from pipeline.kafka_secrets import public_properties

SETTINGS = {
    "bootstrap.servers": "kafka:9092",
    "sasl.jaas.config": 'PlainLoginModule required password="hush";',
    "security.protocol": "SASL_SSL",
    "ssl.key.password": "hush",
}


def test_secrets_are_references_to_the_file() -> None:
    """In the form that Kafka's Java client resolves on the worker."""
    expected = {
        "bootstrap.servers": "kafka:9092",
        "security.protocol": "SASL_SSL",
        "config.providers": "file",
        "config.providers.file.class": (
            "org.apache.kafka.common.config.provider.FileConfigProvider"
        ),
        "sasl.jaas.config": "${file:/run/consumer.properties:sasl.jaas.config}",
        "ssl.key.password": "${file:/run/consumer.properties:ssl.key.password}",
    }

    assert expected == public_properties(KafkaProperties(SETTINGS), "/run/consumer.properties")


def test_the_file_is_named_from_the_root(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers run in other folders."""
    monkeypatch.chdir(tmp_path)

    found = public_properties(KafkaProperties({"ssl.key.password": "hush"}), "my.properties")

    assert f"${{file:{tmp_path}/my.properties:ssl.key.password}}" == found["ssl.key.password"]


@pytest.mark.parametrize("path", [None, "/run/consumer.properties"])
def test_without_secrets_nothing_is_added(path: str | None) -> None:
    """No provider is needed."""
    settings = {"bootstrap.servers": "kafka:9092", "client.id": "me"}

    assert settings == public_properties(KafkaProperties(settings), path)


def test_a_secret_without_a_file_is_refused() -> None:
    """Its name is told, its value is not."""
    with pytest.raises(ServiceError) as caught:
        public_properties(KafkaProperties(SETTINGS), None)

    message = (
        "--consumer_property: sasl.jaas.config would be readable in the job on the cluster. "
        "Put it into a file for --consumer_config."
    )
    assert message == str(caught.value)


def test_a_path_that_kafka_would_misread_is_refused() -> None:
    """A reference ends its path at the first colon, and itself at the first brace."""
    for path in ("/a:b/consumer.properties", "/a}/consumer.properties"):
        with pytest.raises(ServiceError) as caught:
            public_properties(KafkaProperties(SETTINGS), path)

        message = (
            "--consumer_config: Kafka's ${file:...} takes no path with ':' or '}', "
            f"got {path!r}. Choose another folder."
        )
        assert message == str(caught.value)
