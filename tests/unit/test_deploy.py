"""The files under deploy/: that they parse, and agree with the project and with each other."""

from __future__ import annotations

import pathlib
import re
import shlex
from typing import Any

import pytest
import yaml

from pipeline import __version__
from pipeline.job_spec import live_parser
from pipeline.local import java_command
from pipeline.local.jar_lock import read_lock

_PROJECT = pathlib.Path(__file__).resolve().parents[2]
_DEPLOY = _PROJECT / "deploy"
_DOCKERFILE = (_DEPLOY / "docker" / "Dockerfile").read_text(encoding="utf-8")
_IMAGE = f"error-windows:{__version__}"
_FILES = sorted((_DEPLOY / "kubernetes").glob("*.yaml"))
# The operator's reference of custom resources, v1beta1.
_FLINK_SPEC = {
    "flinkConfiguration",
    "flinkVersion",
    "image",
    "imagePullPolicy",
    "ingress",
    "job",
    "jobManager",
    "logConfiguration",
    "mode",
    "podTemplate",
    "restartNonce",
    "serviceAccount",
    "taskManager",
}
_FLINK_PROCESS_SPEC = {"podTemplate", "replicas", "resource"}


def _documents(name: str) -> list[dict[str, Any]]:
    text = (_DEPLOY / "kubernetes" / name).read_text(encoding="utf-8")
    return list(yaml.safe_load_all(text))


@pytest.fixture
def cluster() -> dict[str, Any]:
    """The FlinkDeployment."""
    [document] = _documents("cluster.yaml")
    return document


@pytest.fixture
def submission() -> dict[str, Any]:
    """The pod that submits."""
    [document] = _documents("submit.yaml")
    pod: dict[str, Any] = document["spec"]["template"]["spec"]
    return pod


def _instructions(name: str) -> list[list[str]]:
    joined = re.sub(r"\\\n", " ", _DOCKERFILE)
    lines = [line for line in joined.splitlines() if line.startswith(f"{name} ")]
    return [shlex.split(line)[1:] for line in lines]


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.name)
def test_every_object_says_what_it_is(path: pathlib.Path) -> None:
    """YAML with a kind, a version and a name."""
    for document in _documents(path.name):
        assert document["apiVersion"]
        assert document["kind"]
        assert document["metadata"]["name"].startswith("error-windows")


def test_fields_of_the_flink_deployment(cluster: dict[str, Any]) -> None:
    """Only those that its schema knows: the operator refuses others."""
    spec = cluster["spec"]
    assert ("flink.apache.org/v1beta1", "FlinkDeployment") == (
        cluster["apiVersion"],
        cluster["kind"],
    )
    assert set() == set(spec) - _FLINK_SPEC
    for process in ("jobManager", "taskManager"):
        assert set() == set(spec[process]) - _FLINK_PROCESS_SPEC
        assert {"cpu", "memory"} == set(spec[process]["resource"])
    # A map of strings: a number or a bare `true` is refused.
    assert {str} == {type(value) for value in spec["flinkConfiguration"].values()}
    # More than one JobManager asks for high availability.
    assert (2, "kubernetes") == (
        spec["jobManager"]["replicas"],
        spec["flinkConfiguration"]["high-availability.type"],
    )


def test_one_version_of_flink(cluster: dict[str, Any]) -> None:
    """The image's is that of the modules which a submission works with."""
    [version] = {jar.version for jar in read_lock("flink") if jar.artifact == "flink-runtime"}
    [tag] = re.findall(r"^ARG FLINK_TAG=(\S+)$", _DOCKERFILE, re.MULTILINE)
    assert f"{version}-scala_2.12-java17" == tag
    assert f"v{'_'.join(version.split('.')[:2])}" == cluster["spec"]["flinkVersion"]


def test_one_image(cluster: dict[str, Any], submission: dict[str, Any]) -> None:
    """Workers and submission run the same version of this package."""
    assert _IMAGE == cluster["spec"]["image"]
    assert [_IMAGE] == [container["image"] for container in submission["containers"]]
    assert f"--tag {_IMAGE} " in _DOCKERFILE


def test_the_submission(cluster: dict[str, Any], submission: dict[str, Any]) -> None:
    """Its flags are flags, and it uses no more slots than there are."""
    [container] = submission["containers"]
    assert (["error-windows"], "flink") == (container["command"], container["args"][0])
    flags = live_parser("test").parse_args(container["args"][1:])
    spec = cluster["spec"]
    slots = int(spec["flinkConfiguration"]["taskmanager.numberOfTaskSlots"])
    assert int(flags.parallelism) <= slots * spec["taskManager"]["replicas"]
    # The operator's service for the REST API.
    assert f"http://{cluster['metadata']['name']}-rest:8081" == flags.flink_master


def test_secrets_are_where_they_are_looked_for(
    cluster: dict[str, Any], submission: dict[str, Any]
) -> None:
    """One path in all pods, because the job holds the path; and every secret that is named."""
    secrets = {one["metadata"]["name"]: one["stringData"] for one in _documents("secrets.yaml")}
    workers = cluster["spec"]["podTemplate"]["spec"]
    for pod in (workers, submission):
        [container] = pod["containers"]
        mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
        [flag] = [one for one in submission["containers"][0]["args"] if "consumer_config" in one]
        path = pathlib.PurePosixPath(flag.partition("=")[2])
        assert str(path.parent) == mounts["kafka"]
        named = [one["secretRef"]["name"] for one in container["envFrom"]]
        [kafka] = [one["secret"]["secretName"] for one in pod["volumes"] if "secret" in one]
        assert set(secrets) == {kafka, *named}
        assert path.name in secrets[kafka]
        # Readable by the group of the user that Flink runs as in its image.
        [mode] = [one["secret"]["defaultMode"] for one in pod["volumes"] if "secret" in one]
        assert (0o440, 9999) == (mode, pod["securityContext"]["fsGroup"])
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= set(secrets["error-windows-s3"])


def test_the_network_policy_names_labels_that_exist(cluster: dict[str, Any]) -> None:
    """It would shut nobody out, or everybody, otherwise."""
    [policy] = _documents("network-policy.yaml")
    [job] = _documents("submit.yaml")
    of_cluster = cluster["spec"]["podTemplate"]["metadata"]["labels"]
    of_job = job["spec"]["template"]["metadata"]["labels"]
    assert of_cluster == policy["spec"]["podSelector"]["matchLabels"]
    among, rest, metrics = policy["spec"]["ingress"]
    assert of_cluster == among["from"][0]["podSelector"]["matchLabels"]
    assert of_job == rest["from"][0]["podSelector"]["matchLabels"]
    port = cluster["spec"]["flinkConfiguration"]["metrics.reporter.prometheus.port"]
    assert [8081, int(port)] == [rest["ports"][0]["port"], metrics["ports"][0]["port"]]


def test_what_the_image_is_built_from() -> None:
    """Every copied file is in the project, and not kept from the build."""
    ignored = (_DEPLOY / "docker" / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {source for *sources, _ in _instructions("COPY") for source in sources}
    assert let_in == copied
    assert [] == [source for source in sorted(copied) if not (_PROJECT / source).exists()]
    assert "--requirements requirements/runtime.txt" in _DOCKERFILE
    assert (_PROJECT / "requirements" / "runtime.txt").is_file()


def test_commands_in_the_image() -> None:
    """`error-windows java` knows the commands that the build runs."""
    commands = re.findall(r"error-windows java ([a-z]+ [^|&\\]+)", _DOCKERFILE)
    parser = java_command._parser()
    parsed = [parser.parse_args(shlex.split(command)).command for command in commands]
    assert ["fetch", "paths"] == parsed
    groups = {jar.group for jar in read_lock("flink")}
    assert {"org.apache.flink", "org.slf4j", "com.ververica"} <= groups
