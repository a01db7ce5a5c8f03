"""Which cluster a live job can be put on, by its Java modules and the version of Flink."""

from __future__ import annotations

from typing import Any

import pytest
from apache_beam.version import __version__ as BEAM_VERSION

from pipeline.errors import UsageError
from pipeline.flink_rest import FlinkRest
from pipeline.flink_version import LOCKED, published_versions, require_flink_version
from pipeline.job_spec import live_parser
from pipeline.live_config import live_config_from_flags
from pipeline.local.jar_lock import read_lock

REMOTE = [
    "--kafka_bootstrap_servers=localhost:9092",
    "--input_topic=logs",
    "--flink_master=http://flink:8081",
]
PUBLISHED = ", ".join(published_versions())


class Cluster(FlinkRest):
    """A cluster that reports a version."""

    def __init__(self, version: str) -> None:
        super().__init__(["http://127.0.0.1:9"])
        self._version = version

    def overview(self) -> dict[str, Any]:
        """As Flink."""
        return {"flink-version": self._version}


def version(reported: str, *arguments: str) -> str:
    """The version that a job is submitted for."""
    flags = live_parser("test").parse_args([*REMOTE, *arguments])
    return require_flink_version(live_config_from_flags(flags), Cluster(reported))


@pytest.mark.parametrize(
    ("reported", "arguments", "expected"),
    [
        ("1.19.3", [], "1.19"),
        ("1.19.0", ["--flink_version=1.19"], "1.19"),
        ("1.19.3", ["--java_runtime=beam"], "1.19"),
        ("1.20.1", ["--java_runtime=beam"], "1.20"),
        ("1.20-SNAPSHOT", ["--java_runtime=beam", "--flink_version=1.20"], "1.20"),
        ("2.0.0", ["--java_runtime=beam"], "2.0"),
    ],
)
def test_the_version_is_the_clusters(reported: str, arguments: list[str], expected: str) -> None:
    """Its minor one; a flag may say so too."""
    assert expected == version(reported, *arguments)


@pytest.mark.parametrize(
    ("reported", "arguments", "message"),
    [
        (
            "1.20.0",
            [],
            "--flink_master: the cluster runs another Flink than the locked modules are for, 1.19, "
            "got '1.20.0'. Add --java_runtime=beam, or use a cluster of that version.",
        ),
        (
            "1.190.0",
            [],
            "--flink_master: the cluster runs another Flink than the locked modules are for, 1.19, "
            "got '1.190.0'. Add --java_runtime=beam, or use a cluster of that version.",
        ),
        (
            "1.20.0",
            ["--java_runtime=beam", "--flink_version=1.19"],
            "--flink_version: the cluster runs Flink 1.20.0, got '1.19'. "
            "Leave it away: the version is then the cluster's.",
        ),
        (
            "1.18.1",
            ["--java_runtime=beam"],
            f"--flink_master: the cluster runs a Flink that Beam {BEAM_VERSION} has no job server "
            f"for, got '1.18.1'. Use a cluster of {PUBLISHED}.",
        ),
        (
            "<unknown>",
            ["--java_runtime=beam"],
            f"--flink_master: the cluster runs a Flink that Beam {BEAM_VERSION} has no job server "
            f"for, got '<unknown>'. Use a cluster of {PUBLISHED}.",
        ),
        (
            "1.19.3",
            ["--flink_version=1.20"],
            "--flink_version: the locked modules are for 1.19, got '1.20'. "
            "Add --java_runtime=beam, for a cluster of yours.",
        ),
        (
            "1.19.3",
            ["--java_runtime=beam", "--flink_version=1.18"],
            f"--flink_version: Beam {BEAM_VERSION} has no job server for it, got '1.18'. "
            f"Choices: {PUBLISHED}.",
        ),
        (
            "1.19.3",
            ["--java_runtime=beam", "--flink_master=[local]"],
            "--java_runtime: Flink on this machine is one of the locked modules, got 'beam'. "
            "Leave it away, or name a cluster of yours with --flink_master.",
        ),
    ],
)
def test_what_cannot_work_is_refused(reported: str, arguments: list[str], message: str) -> None:
    """In one line, before Java starts."""
    with pytest.raises(UsageError) as caught:
        version(reported, *arguments)
    assert message == str(caught.value)


def test_the_local_cluster_runs_on_the_locked_modules() -> None:
    """So Beam's own jars have no place there."""
    flags = live_parser("test").parse_args([*REMOTE[:2], "--java_runtime=beam"])
    with pytest.raises(UsageError, match="--java_runtime: Flink on this machine"):
        live_config_from_flags(flags)


def test_the_locked_modules_are_for_the_version_told() -> None:
    """The lock and the check change together."""
    assert any(jar.module.endswith(f":beam-runners-flink-{LOCKED}") for jar in read_lock("flink"))
