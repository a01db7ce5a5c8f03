"""Java client settings and what librdkafka makes of them."""

from __future__ import annotations

import pathlib

import pytest

from pipeline.errors import UsageError
from pipeline.kafka_properties import KafkaProperties, read_properties_file, split_property

JAAS = (
    "org.apache.kafka.common.security.scram.ScramLoginModule required "
    'username="me" password="p=\\"w; d";'
)


def test_a_value_is_split_off_at_the_first_equals_sign() -> None:
    """A login configuration holds many of them."""
    assert ("sasl.jaas.config", JAAS) == split_property("--x", f"sasl.jaas.config={JAAS}")


def test_a_properties_file_is_read_as_the_java_client_reads_it(tmp_path: pathlib.Path) -> None:
    """Comments, blank lines, spaces around the sign, and lines that go on."""
    path = tmp_path / "client.properties"
    path.write_text("# a\n! b\n\nsecurity.protocol = SASL_SSL\nclient.id=a\\\nb\nempty=\n")

    expected = {"security.protocol": "SASL_SSL", "client.id": "ab", "empty": ""}
    assert expected == read_properties_file("--consumer_config", str(path))


def test_a_login_and_pem_stores_are_translated() -> None:
    """The same connection, in librdkafka's words; how a consumer fetches is left out."""
    properties = KafkaProperties(
        {
            "bootstrap.servers": "a:1",
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.jaas.config": JAAS,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": "ca.pem",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": "me.pem",
            "ssl.key.password": "k",
            "ssl.endpoint.identification.algorithm": "",
            "max.poll.records": "7",
        }
    )

    expected = {
        "bootstrap.servers": "a:1",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "me",
        "sasl.password": 'p="w; d',
        "ssl.ca.location": "ca.pem",
        "ssl.certificate.location": "me.pem",
        "ssl.key.location": "me.pem",
        "ssl.key.password": "k",
        "ssl.endpoint.identification.algorithm": "none",
    }
    assert expected == properties.to_librdkafka()


def test_a_jks_store_is_refused_with_the_way_out() -> None:
    """Only PEM is read by both clients."""
    with pytest.raises(UsageError) as caught:
        KafkaProperties({"ssl.truststore.location": "ca.jks"}).to_librdkafka()

    expected = (
        "--consumer_property: ssl.truststore.type must be PEM, the one kind that both clients "
        "read, got 'JKS'. Convert the store to PEM and set ssl.truststore.type=PEM."
    )
    assert expected == str(caught.value)


def test_a_login_module_that_is_not_offered_is_refused_without_showing_its_options() -> None:
    """The message names the module and nothing of its configuration."""
    properties = KafkaProperties(
        {"sasl.jaas.config": 'com.sun.security.auth.module.Krb5LoginModule required x="secret";'}
    )
    with pytest.raises(UsageError) as caught:
        properties.to_librdkafka()

    expected = (
        "--consumer_property: sasl.jaas.config must name PlainLoginModule or ScramLoginModule, "
        "got 'Krb5LoginModule'. Other ways to log in are not offered yet."
    )
    assert expected == str(caught.value)


def test_secrets_are_hidden_wherever_settings_are_shown() -> None:
    """`repr` is what tracebacks and logs show."""
    shown = repr(
        KafkaProperties(
            {
                "sasl.jaas.config": JAAS,
                "ssl.key.password": "hush",
                "ssl.keystore.key": "-----BEGIN",
                "client.id": "me",
            }
        )
    )

    assert (
        "KafkaProperties({'sasl.jaas.config': '***', 'ssl.key.password': '***', "
        "'ssl.keystore.key': '***', 'client.id': 'me'})"
    ) == shown
