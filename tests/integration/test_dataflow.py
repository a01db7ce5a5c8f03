"""Whole submissions to Dataflow: a real broker, the real connector, a Google Cloud made up here."""

from __future__ import annotations

import hashlib
import io
import json
import pathlib
import sys
import tarfile

import pytest
from apache_beam import version as beam_version
from confluent_kafka import Producer

from pipeline import cli
from pipeline.local.jar_lock import read_lock
from pipeline.local.jars import fetch_jars
from pipeline.local.java import find_java
from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.local.pathing_jar import write_pathing_jar
from tests.dataflow_jobs import all_that_left, labels, shown
from tests.google_cloud import GoogleCloud
from tests.integration.conftest import TopicFactory

pytestmark = pytest.mark.kafka

PROJECT = pathlib.Path(__file__).resolve().parents[2]
GOOGLES_IMAGES = "gcr.io/cloud-dataflow/v1beta3"
OWN_IMAGES = "europe-docker.pkg.dev/acme-logs/jobs"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SECRET = "open-sesame"


def _images(cloud: GoogleCloud) -> list[str]:
    [job] = cloud.jobs
    [pool] = job.request["environment"]["workerPools"]
    return sorted(image["containerImage"] for image in pool["sdkHarnessContainerImages"])


def _packages(cloud: GoogleCloud) -> set[str]:
    [job] = cloud.jobs
    [pool] = job.request["environment"]["workerPools"]
    return {package["name"] for package in pool["packages"]}


def _produce(kafka: EmbeddedKafka, topic: str) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    producer.produce(topic, b"ERROR disk full")
    producer.flush()


def test_what_a_live_job_stages(
    cloud: GoogleCloud, kafka: EmbeddedKafka, topic: TopicFactory
) -> None:
    """The locked jars, this package, and the graph; nothing else. Images are Beam's."""
    name = topic(2)
    code = cli.main(
        [
            *cloud.flags,
            f"--kafka_bootstrap_servers={kafka.bootstrap_servers}",
            f"--input_topic={name}",
            f"--output=kafka:{topic(settings={'cleanup.policy': 'compact'})}",
        ]
    )

    assert 0 == code
    staged = cloud.staged()
    jars = {name for name in staged if name.endswith(".jar")}
    assert {"pipeline.pb", "workflow.tar.gz", *jars} == set(staged)
    assert {"workflow.tar.gz", *jars} == _packages(cloud)
    locked = read_lock("beam")
    assert {jar.sha256 for jar in locked} == {
        hashlib.sha256(staged[jar]).hexdigest() for jar in jars
    }
    [harness] = {jar.version for jar in locked if jar.artifact == "beam-sdks-java-harness"}
    java = find_java().major_version
    assert [
        f"{GOOGLES_IMAGES}/beam_java{java}_sdk:{harness}",
        f"{GOOGLES_IMAGES}/beam_python{PYTHON}_sdk:{beam_version.__version__}",
    ] == _images(cloud)
    assert {f"ReadFromKafka[{name}]", f"FilterErrorLines[{name}]"} <= labels(cloud.graph())
    # The connector's own display data.
    reads = [
        transform.unique_name
        for transform in cloud.graph().components.transforms.values()
        if transform.unique_name.endswith("/KafkaIO.Read")
    ]
    assert name in str(shown(cloud.graph(), reads[0]))
    with tarfile.open(fileobj=io.BytesIO(staged["workflow.tar.gz"])) as archive:
        folders = {path.split("/")[1] for path in archive.getnames() if path.count("/") > 1}
    assert {"pipeline", "transforms"} <= folders
    assert set() == folders & {"tests", "benchmarks"}


def test_what_a_job_with_an_end_stages(
    cloud: GoogleCloud,
    kafka: EmbeddedKafka,
    topic: TopicFactory,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beam's one jar with --java_runtime=beam, images of the user's, and no secret anywhere."""
    # In the place of Beam's own jar, which is not to be had everywhere.
    jar = write_pathing_jar(
        fetch_jars("beam"),
        main_class="org.apache.beam.sdk.expansion.service.ExpansionService",
        path=tmp_path / "beam-sdks-java-io-expansion-service.jar",
    )
    overrides = {"sdks:java:io:expansion-service:shadowJar": str(jar)}
    monkeypatch.setenv("BEAM_SERVICE_OVERRIDES", json.dumps(overrides))
    properties = tmp_path / "consumer.properties"
    # A secret that a client without TLS has no use for.
    properties.write_text(f"ssl.truststore.password={SECRET}\n", encoding="utf-8")
    name = topic()
    _produce(kafka, name)

    code = cli.main(
        [
            *cloud.flags,
            "--java_runtime=beam",
            f"--kafka_bootstrap_servers={kafka.bootstrap_servers}",
            f"--input_topic={name}",
            f"--consumer_config={properties}",
            "--max_num_records=1",
            "--output=gs://acme-staging/counts.jsonl",
            f"--setup_file={PROJECT / 'setup.py'}",
            f"--sdk_container_image={OWN_IMAGES}/python:1",
            f"--sdk_harness_container_image_overrides=.*java.*,{OWN_IMAGES}/java:1",
        ]
    )

    assert 0 == code
    staged = cloud.staged()
    [staged_jar] = [name for name in staged if name.endswith(".jar")]
    assert {"pipeline.pb", "workflow.tar.gz", staged_jar} == set(staged)
    assert jar.read_bytes() == staged[staged_jar]
    assert [f"{OWN_IMAGES}/java:1", f"{OWN_IMAGES}/python:1"] == _images(cloud)
    assert {"topics": name, "offsets": 1} == shown(cloud.graph(), "ReadFromKafka[*]")
    left = all_that_left(cloud)
    assert (False, True) == (SECRET.encode() in left, str(properties).encode() in left)
