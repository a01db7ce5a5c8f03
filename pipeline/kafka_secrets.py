"""Keeps secrets out of the job: workers read them from a file when they connect.

A job's graph can be read by whoever sees the cluster. Where a setting is a secret, the graph
holds `${file:PATH:KEY}` instead, which Kafka's Java client resolves on the worker (KIP-421,
org.apache.kafka.common.config.provider.FileConfigProvider).
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

from pipeline.errors import ServiceError, UsageError
from pipeline.kafka_properties import KafkaProperties, is_secret, read_properties_file

_PROVIDER = {
    "config.providers": "file",
    "config.providers.file.class": ("org.apache.kafka.common.config.provider.FileConfigProvider"),
}


def secret_in_job_error(key: str) -> UsageError:
    """Says that a secret setting would have to travel inside the job."""
    return UsageError(
        "--consumer_property",
        f"{key} would be readable in the job on the cluster",
        fix="Put it into a file for --consumer_config that every host has at the same path.",
    )


def worker_properties(properties: Mapping[str, str], path: str | None) -> KafkaProperties:
    """The settings of a Python client on a worker: those of the graph, and those of the file.

    Raises:
      UsageError: the file cannot be read.
    """
    of_file = {} if path is None else read_properties_file("--consumer_config", path)
    return KafkaProperties({**of_file, **properties})


def public_properties(properties: KafkaProperties, path: str | None) -> dict[str, str]:
    """The settings for a graph: secrets are references to the `.properties` file at `path`.

    Raises:
      ServiceError: there are secrets and no file to refer to, or none that Kafka could.
    """
    secrets = [key for key in properties if is_secret(key)]
    public = dict(properties.public())
    if not secrets:
        return public
    if path is None:
        raise ServiceError(
            f"--consumer_property: {secrets[0]} would be readable in the job on the cluster. "
            "Put it into a file for --consumer_config."
        )
    absolute = str(pathlib.Path(path).absolute())
    if ":" in absolute or "}" in absolute:
        raise ServiceError(
            "--consumer_config: Kafka's ${file:...} takes no path with ':' or '}', "
            f"got {absolute!r}. Choose another folder."
        )
    return {**public, **_PROVIDER, **{key: f"${{file:{absolute}:{key}}}" for key in secrets}}
