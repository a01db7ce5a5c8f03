"""Sinks of a live job: what is on the disk, and what may not be in the submitted job."""

from __future__ import annotations

import io
import json
import pathlib
import pickle
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline

from pipeline import appending
from pipeline.errors import UsageError
from pipeline.live_sinks import (
    WriteResultsToFolder,
    WriteResultsToKafka,
    WriteSamplesToFolder,
)
from pipeline.result_source import PathResults
from pipeline.sample_json import sample_from_json, sample_to_json
from pipeline.sinks import read_samples
from transforms import metrics
from transforms.results import Result
from transforms.samples import Sample

MIDNIGHT = 1_795_305_600_000  # 2026-11-22T00:00:00Z


def result(end_ms: int, count: int = 1) -> Result:
    """A result of a window of 30 s."""
    return Result("errors", None, end_ms - 30_000, end_ms, count, 0, False, None)


def texts(folder: pathlib.Path) -> list[str]:
    """The contents of all files, in the order of their names' dates and then of contents."""
    found = [(path.name[:18], path.read_text()) for path in folder.iterdir()]
    return [text for _, text in sorted(found)]


class Worker:
    """One instance of the sink's DoFn, driven as a runner does."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.fn: Any = pickle.loads(pickle.dumps(WriteResultsToFolder(str(folder))._fn))
        self.fn.setup()

    def bundle(self, *results: Result) -> None:
        """Runs one bundle."""
        self.fn.start_bundle()
        for one in results:
            self.fn.process(one)
        self.fn.finish_bundle()


def test_results_written_by_a_pipeline_are_read_back_and_counted(tmp_path: pathlib.Path) -> None:
    """On the DirectRunner, into a folder that is not there yet."""
    folder = tmp_path / "new" / "results"
    results = [result(MIDNIGHT + number * 10_000, number) for number in range(20)]
    pipeline = TestPipeline()
    _ = pipeline | beam.Create(results) | WriteResultsToFolder(str(folder))

    finished = pipeline.run()
    finished.wait_until_finish()

    read = sorted(PathResults(folder).read_all(), key=lambda one: one["window_end"])
    assert [json.loads(one.to_json()) for one in results] == read
    assert {metrics.RESULTS_WRITTEN: 20} == metrics.counted(finished)


def test_samples_written_by_a_pipeline_read_as_those_of_a_bounded_run(
    tmp_path: pathlib.Path,
) -> None:
    """One form of samples for both."""
    sample = Sample(MIDNIGHT, 2, (b"[ERROR] \xff", b""))

    with TestPipeline() as pipeline:
        _ = pipeline | beam.Create([sample]) | WriteSamplesToFolder(str(tmp_path))

    (path,) = tmp_path.iterdir()
    assert path.name.startswith("samples-2026-11-22-")
    assert [sample] == read_samples(str(path))
    assert sample == sample_from_json(sample_to_json(sample))


def test_files_are_named_after_the_date_on_which_windows_end(tmp_path: pathlib.Path) -> None:
    """A window that ends at midnight belongs to the new day."""
    Worker(tmp_path).bundle(result(MIDNIGHT - 10_000), result(MIDNIGHT))

    names = sorted(path.name for path in tmp_path.iterdir())
    assert ["results-2026-11-21-", "results-2026-11-22-"] == [name[:19] for name in names]
    assert 1 == len({name[19:] for name in names})


def test_bundles_of_a_worker_share_a_file_and_another_worker_has_its_own(
    tmp_path: pathlib.Path,
) -> None:
    """After kill -9 a new process never writes behind what the old one left."""
    first, second = Worker(tmp_path), Worker(tmp_path)
    lines = [f"{result(MIDNIGHT, number).to_json()}\n" for number in range(3)]

    first.bundle(result(MIDNIGHT, 0))
    second.bundle(result(MIDNIGHT, 1))
    first.bundle(result(MIDNIGHT, 2))

    assert sorted([lines[0] + lines[2], lines[1]]) == texts(tmp_path)


def test_nothing_is_written_before_the_bundle_ends(tmp_path: pathlib.Path) -> None:
    """What a failed bundle had gathered is forgotten: it comes again."""
    worker = Worker(tmp_path)
    worker.fn.start_bundle()
    worker.fn.process(result(MIDNIGHT, 1))
    before = texts(tmp_path)

    worker.bundle(result(MIDNIGHT, 2))

    assert ([], [f"{result(MIDNIGHT, 2).to_json()}\n"]) == (before, texts(tmp_path))


def test_a_failed_write_fails_the_bundle_and_the_next_goes_to_another_file(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full may leave half a line; nothing may be put behind it."""

    class FullDisk(io.FileIO):
        def write(self, data: Any) -> int:
            super().write(bytes(data)[:10])
            raise OSError(28, "No space left on device")

    worker = Worker(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(appending, "open", FullDisk, raising=False)
        with pytest.raises(OSError, match="No space left"):
            worker.bundle(result(MIDNIGHT, 1))

    worker.bundle(result(MIDNIGHT, 1))

    whole = f"{result(MIDNIGHT, 1).to_json()}\n"
    assert sorted([whole[:10], whole]) == texts(tmp_path)
    assert [json.loads(whole)] == list(PathResults(tmp_path).read_all())


@pytest.mark.parametrize("folder", ["", "s3://bucket/results"])
def test_a_folder_that_is_not_local_is_refused(folder: str) -> None:
    """Object stores cannot append."""
    with pytest.raises(UsageError) as caught:
        WriteResultsToFolder(folder)

    expected = (
        f"--output: not a folder of a local or shared file system, got {folder!r}. "
        "Give the path of a folder that workers and readers share."
    )
    assert expected == str(caught.value)


def test_a_relative_folder_is_that_of_whoever_submits(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers run in folders of their own."""
    monkeypatch.chdir(tmp_path)
    sink = WriteResultsToFolder("results")
    monkeypatch.chdir("/")

    sink._fn.setup()

    assert ["results"] == [path.name for path in tmp_path.iterdir()]


def test_secrets_are_not_part_of_the_submitted_job(tmp_path: pathlib.Path) -> None:
    """A settings file is read on the worker; a secret among the plain settings is refused."""
    path = tmp_path / "kafka.properties"
    path.write_text("security.protocol=SASL_PLAINTEXT\nssl.key.password=hunter2\n")
    sink = WriteResultsToKafka("counts", "localhost:1", properties_path=str(path))

    assert b"hunter2" not in pickle.dumps(sink)
    with pytest.raises(UsageError) as caught:
        WriteResultsToKafka("counts", "localhost:1", {"ssl.key.password": "hunter2"})
    expected = (
        "--consumer_property: a secret, which would become part of the submitted job, "
        "got 'ssl.key.password'. Put it into the file of --consumer_config."
    )
    assert expected == str(caught.value)
