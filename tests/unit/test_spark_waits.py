"""A job on Spark that waits for executors."""

from __future__ import annotations

import pathlib
import queue
from collections.abc import Iterator

import pytest

from pipeline import spark_waits
from pipeline.growing_files import Tail
from pipeline.spark_waits import told_when_it_waits

WARNING = (
    "[Timer-0] WARN org.apache.spark.scheduler.TaskSchedulerImpl - Initial job has not accepted "
    "any resources; check your cluster UI to ensure that workers are registered\n"
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_waits, "_LOOK_SECONDS", 0.01)


def test_a_job_without_executors_says_so_once(tmp_path: pathlib.Path) -> None:
    """Spark repeats it every 15 seconds."""
    log = tmp_path / "spark-job-server.log"
    said: queue.Queue[str] = queue.Queue()
    with told_when_it_waits(log, said.put), log.open("a") as file:
        file.write(WARNING)
        file.flush()
        text = said.get(timeout=60)
        file.write(WARNING)

    assert text.startswith("Spark has no executors for the job: are there workers")
    assert said.empty()


def test_an_earlier_job_does_not_count(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log goes on from job to job."""
    log = tmp_path / "spark-job-server.log"
    log.write_text(WARNING)
    looks: queue.Queue[list[bytes]] = queue.Queue()

    class Watched(Tail):
        def new_lines(self) -> Iterator[bytes]:
            lines = list(super().new_lines())
            looks.put(lines)
            return iter(lines)

    monkeypatch.setattr(spark_waits, "Tail", Watched)
    said: queue.Queue[str] = queue.Queue()
    with told_when_it_waits(log, said.put):
        found = [looks.get(timeout=60) for _ in range(2)]

    assert [[WARNING.encode()], []] == found
    assert said.empty()
