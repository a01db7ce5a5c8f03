"""`error-windows direct`, as `./run_direct.sh` runs it: the job with a Kafka of its own."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pipeline.local.demo_lines import demo_lines
from tests.processes import (
    DEADLINE_SECONDS,
    environment_of,
    needs_proc,
    started_by,
    wait_until_none_is_left,
)
from tests.reference import reference_results

pytestmark = pytest.mark.kafka


@pytest.fixture
def environment(tmp_path: pathlib.Path) -> dict[str, str]:
    """The user's environment with a run folder of its own, by which processes are found."""
    return environment_of(tmp_path / "run")


def command(*arguments: str) -> list[str]:
    """The command line of a demo run."""
    return [sys.executable, "-m", "pipeline", "direct", *arguments]


def expected_of_demo(last_window_end: str, lines: int) -> list[dict[str, object]]:
    """The reference model on the demo lines whose last window ends at a given time."""
    last = datetime.datetime.fromisoformat(last_window_end.replace("Z", "+00:00"))
    # The newest line is in the newest pane; its last window ends two slides later.
    end_time_ms = int(last.timestamp() * 1000) - 20_000
    return reference_results(demo_lines(lines, end_time_ms=end_time_ms))


def without_java(environment: dict[str, str]) -> dict[str, str]:
    """The environment of a machine on which no Java is found."""
    folders = environment["PATH"].split(os.pathsep)
    kept = [folder for folder in folders if not pathlib.Path(folder, "java").exists()]
    changed = {**environment, "PATH": os.pathsep.join(kept)}
    changed.pop("JAVA_HOME", None)
    return changed


def test_the_demo_counts_as_the_reference_without_java_and_without_network(
    environment: dict[str, str],
) -> None:
    """The Java that comes along is enough, and a filled cache needs no network."""
    subprocess.run([sys.executable, "-m", "pipeline", "java", "fetch", "beam", "kafka"], check=True)
    dead_proxy = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}

    ran = subprocess.run(
        command("--samples=1"),
        env={**without_java(environment), **dead_proxy},
        capture_output=True,
        text=True,
        timeout=240,
    )

    results = [json.loads(line) for line in ran.stdout.splitlines()]
    assert 0 == ran.returncode, ran.stderr
    assert expected_of_demo(results[-1]["window_end"], 20_000) == results
    assert "read 20,000 lines from 2 partitions of demo-logs: 4,000 error lines" in ran.stderr


def _read_all(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(descriptor, 65_536)
        except OSError:
            return  # Linux's way to say that the other side of a terminal has closed.
        if not data:
            return
        yield data


def test_a_terminal_gets_a_table(environment: dict[str, str]) -> None:
    """On a terminal stdout shows rows for a person, and the same counts."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command("--samples=0", "--demo_lines=500", "--demo_partitions=1"),
        env=environment,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    ) as job:
        os.close(theirs)
        shown = b"".join(_read_all(ours)).decode().replace("\r\n", "\n")
    os.close(ours)

    rows = shown.splitlines()
    found = [(row[23:43], int(row[43:53])) for row in rows[1:]]
    assert (0, "window (UTC)                                   errors") == (job.returncode, rows[0])
    assert found == [
        (result["window_end"], result["count"]) for result in expected_of_demo(found[-1][0], 500)
    ]


@needs_proc
@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_nothing_is_left_running_whatever_ends_it(
    environment: dict[str, str], number: signal.Signals, exit_code: int
) -> None:
    """Ctrl-C, a polite end and a kill take Kafka and Java down with the command."""
    with subprocess.Popen(
        command("--demo_lines=1000"),
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as job:
        assert job.stderr is not None
        assert any(line.startswith("reading 1,000 records") for line in job.stderr)
        assert len(started_by(environment)) >= 3
        job.send_signal(number)
        job.stderr.read()
        assert exit_code == job.wait(DEADLINE_SECONDS)

    assert [] == wait_until_none_is_left(environment)
    run_dir = pathlib.Path(environment["ERROR_WINDOWS_RUN_DIR"])
    if number != signal.SIGKILL:
        assert ["logs"] == [entry.name for entry in run_dir.iterdir()]
