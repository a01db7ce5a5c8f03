"""Which checkpoint a job goes on from, in folders of a file system."""

from __future__ import annotations

import datetime
import os
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from pyarrow import fs

from pipeline.checkpoint_store import Folder, open_folder
from pipeline.checkpoints import Checkpoint, CheckpointStore, job_folder
from pipeline.errors import ErrorWindowsError, UsageError

OLD, NEW = "0" * 31 + "1", "f" * 31 + "2"
MAGIC = bytes.fromhex("4960672d")
START_SECONDS = 1_795_341_600


def put(folder: pathlib.Path, seconds: float = 0, content: bytes = MAGIC + b"...") -> pathlib.Path:
    """Makes a completed checkpoint in a folder, `seconds` after the start of all tests."""
    folder.mkdir(parents=True)
    metadata = folder / "_metadata"
    metadata.write_bytes(content)
    os.utime(metadata, (START_SECONDS + seconds, START_SECONDS + seconds))
    return folder


def names(found: list[Checkpoint]) -> list[str]:
    """The folders of checkpoints, in order."""
    return [each.uri.rpartition("/")[2] for each in found]


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ("errors", "errors"),
        ("a/b", "a%2Fb"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("../x", "..%2Fx"),
        ("v1.2", "v1.2"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("a b%2F:c", "a%20b%252F%3Ac"),
        ("\udcff\n", "%FF%0A"),
    ],
)
def test_a_job_has_one_folder(job: str, expected: str) -> None:
    """Names are percent-encoded: no separator, no `..`, no two names alike."""
    assert expected == job_folder(job)


@pytest.mark.parametrize(
    ("job", "message"),
    [
        ("", "--job_name: empty, so its checkpoints have no folder. Give a name."),
        (
            "ö" * 34,
            "--job_name: too long for a folder, 204 characters when percent-encoded, "
            f"got '{'ö' * 34}'. At most 200.",
        ),
    ],
)
def test_names_that_have_no_folder(job: str, message: str) -> None:
    """They are refused before anything is written."""
    with pytest.raises(UsageError) as caught:
        job_folder(job)
    assert message == str(caught.value)


class TestCompleted:
    """What there is to go on from."""

    def test_fields(self, tmp_path: pathlib.Path) -> None:
        """A checkpoint says where it is as Flink takes it, its number, time and Flink job."""
        put(tmp_path / "a%2Fb" / OLD / "chk-12", 0.5)
        put(tmp_path / "a%2Fb" / "savepoints" / "savepoint-00-1f")
        expected = [
            Checkpoint(
                f"file://{tmp_path}/a%2Fb/{OLD}/chk-12",
                "checkpoint",
                12,
                datetime.datetime.fromtimestamp(START_SECONDS + 0.5, datetime.timezone.utc),
                OLD,
            ),
            Checkpoint(
                f"file://{tmp_path}/a%2Fb/savepoints/savepoint-00-1f",
                "savepoint",
                None,
                datetime.datetime.fromtimestamp(START_SECONDS, datetime.timezone.utc),
                None,
            ),
        ]
        assert expected == CheckpointStore.open(str(tmp_path)).completed("a/b")

    def test_newest_first(self, tmp_path: pathlib.Path) -> None:
        """The time decides, also against the number; then the number, as a number."""
        job = tmp_path / "errors"
        put(job / NEW / "chk-3", 9)
        put(job / OLD / "chk-40", 8)
        for number in (9, 10):
            put(job / OLD / f"chk-{number}", 5)
        put(job / "savepoints" / "savepoint-a", 5)
        put(job / "savepoints" / "savepoint-b", 7)
        found = names(CheckpointStore.open(str(tmp_path)).completed("errors"))
        expected = ["chk-3", "chk-40", "savepoint-b", "savepoint-a", "chk-10", "chk-9"]
        assert expected == found

    def test_one_flink_job(self, tmp_path: pathlib.Path) -> None:
        """A running job is watched by its id alone; one that is no id has no checkpoints."""
        job = tmp_path / "errors"
        put(job / NEW / "chk-3")
        put(job / OLD / "chk-2")
        put(job / "savepoints" / "savepoint-a")
        store = CheckpointStore.open(str(tmp_path))
        assert ["chk-2"] == names(store.completed("errors", flink_job_id=OLD))
        assert [] == store.completed("errors", flink_job_id="..")

    def test_nothing_there(self, tmp_path: pathlib.Path) -> None:
        """A folder that is missing, empty or another job's has none: the job starts new."""
        put(tmp_path / "other" / OLD / "chk-1")
        (tmp_path / "empty").mkdir()
        store = CheckpointStore.open(str(tmp_path))
        missing = CheckpointStore.open(str(tmp_path / "missing"))
        found = [store.completed("errors"), store.completed("empty"), missing.completed("errors")]
        assert [[], [], []] == found

    def test_foreign_and_unfinished(self, tmp_path: pathlib.Path) -> None:
        """Only what Flink completed counts, whatever else lies around."""
        job = tmp_path / "errors"
        put(job / OLD / "chk-5")
        put(job / OLD / "chk-6", content=b"")  # Its name outlived a power failure, not its content.
        (job / OLD / "chk-7").mkdir()
        (job / OLD / "chk-8" / "_metadata").mkdir(parents=True)
        (job / OLD / "chk-9").write_text("a file")
        put(job / OLD / "chk-x")
        put(job / OLD / "chk--1")
        put(job / OLD / "shared" / "chk-10")
        put(job / OLD / "taskowned")
        put(job / "chk-11")
        put(job / "not-an-id" / "chk-12")
        put(job / "savepoints" / "else")
        put(job / "savepoints" / "savepoint-1" / "savepoint-2")
        (job / NEW).write_text("a file with the name of a Flink job")
        (job / "job.json").write_text("{}")
        (job / "broken link").symlink_to(tmp_path / "nowhere")
        assert ["chk-5"] == names(CheckpointStore.open(str(tmp_path)).completed("errors"))

    @pytest.mark.parametrize("calls", [1, 2, 3])
    def test_vanishing(self, tmp_path: pathlib.Path, calls: int) -> None:
        """Folders that Flink deletes while we look are as if they had never been."""
        job = tmp_path / "errors"
        put(job / NEW / "chk-2")
        put(job / OLD / "chk-1")
        seen: list[object] = []

        class Vanishing:
            def get_file_info(self, wanted: Any) -> Any:
                seen.append(wanted)
                found = fs.LocalFileSystem().get_file_info(wanted)
                if len(seen) == calls:
                    shutil.rmtree(job / OLD)
                return found

        store = CheckpointStore(Folder(Vanishing(), "file", str(tmp_path)))
        assert ["chk-2"] == names(store.completed("errors"))
        assert 4 == len(seen)  # The job, two Flink jobs, all `_metadata` at once.


@pytest.mark.parametrize(
    "written", ["{}", "{}/", "file://{}", "file:{}", "FILE://{}/", "{}/x/..", "{}//"]
)
def test_ways_to_write_a_folder(tmp_path: pathlib.Path, written: str) -> None:
    """A path and every form of its address are the same folder."""
    folder = tmp_path / "a b%20#ö"
    assert f"file://{folder}" == open_folder(written.format(folder)).uri()


def test_a_relative_path(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flink runs in another folder, so it is given the whole path."""
    monkeypatch.chdir(tmp_path)
    expected = f"file://{tmp_path}/state/errors"
    assert expected == CheckpointStore.open("state").job("errors").uri()


class TestNamed:
    """`--from`."""

    @pytest.mark.parametrize("written", ["{}", "{}/", "{}/_metadata", "file://{}", "file:{}"])
    def test_forms(self, tmp_path: pathlib.Path, written: str) -> None:
        """The folder or the file in it, as a path or an address; also of another store."""
        folder = put(tmp_path / "errors" / OLD / "chk-7")
        found = CheckpointStore.open(str(tmp_path / "else")).named(written.format(folder))
        expected = CheckpointStore.open(str(tmp_path)).completed("errors")
        assert expected == [found]

    def test_savepoints_anywhere(self, tmp_path: pathlib.Path) -> None:
        """A savepoint can be moved and renamed; Flink takes it from wherever it is."""
        folder = put(tmp_path / "before the upgrade")
        found = CheckpointStore.open(str(tmp_path)).named(str(folder))
        time = datetime.datetime.fromtimestamp(START_SECONDS, datetime.timezone.utc)
        assert Checkpoint(f"file://{folder}", "savepoint", None, time, None) == found

    @pytest.mark.parametrize(
        ("given", "problem", "near"),
        [
            ("errors/{id}/chk-9", "no such checkpoint", True),
            ("errors/{id}/chk-3", "no completed checkpoint: no _metadata in it", True),
            ("errors/{id}", "no completed checkpoint: no _metadata in it", True),
            ("errors", "no completed checkpoint: no _metadata in it", True),
            ("errors/{other}/chk-1", "no such checkpoint", True),
            ("errors/{id}/chk-4", "_metadata there is not one of Flink", True),
            ("else", "no such checkpoint", False),
        ],
    )
    def test_none_there(self, tmp_path: pathlib.Path, given: str, problem: str, near: bool) -> None:
        """The message says what was found, and names the newest that lie near."""
        job = tmp_path / "errors"
        put(job / OLD / "chk-1", 1)
        put(job / OLD / "chk-2", 2)
        (job / OLD / "chk-3" / "something").mkdir(parents=True)
        put(job / OLD / "chk-4", -1, b"foreign")
        path = tmp_path / given.format(id=OLD, other=NEW)
        with pytest.raises(UsageError) as caught:
            CheckpointStore.open(str(tmp_path)).named(str(path))
        uris = ", ".join(f"file://{job}/{OLD}/chk-{number}" for number in (2, 1, 4))
        fix = (
            f"Newest near it: {uris}."
            if near
            else "Give the folder of a checkpoint (chk-<n>) or of a savepoint."
        )
        assert f"--from: {problem}, got {str(path)!r}. {fix}" == str(caught.value)

    def test_a_file(self, tmp_path: pathlib.Path) -> None:
        """A file is no folder."""
        path = tmp_path / "file"
        path.write_text("")
        with pytest.raises(UsageError) as caught:
            CheckpointStore.open(str(tmp_path)).named(str(path))
        expected = f"--from: not a folder, got 'file://{path}'. Give a folder."
        assert expected == str(caught.value)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("", "empty. Give a folder, or s3://bucket/prefix."),
        (
            "file://host/x",
            "not a file of this machine, got 'file://host/x'. Write it file:///folder.",
        ),
        (
            "gs://bucket/x",
            "gs:// is not offered. Use a folder that all machines share, or s3://bucket/prefix.",
        ),
        ("a\udcff", r"not UTF-8, got 'a\udcff'. Choose another folder."),
        ("s3://bucket/../x", "'.' and '..' mean nothing in a store. Write the prefix out."),
        *(
            (
                location,
                "no bucket's name after s3://. Write it s3://bucket/prefix; credentials come from "
                "the environment.",
            )
            for location in (
                "s3://",
                "s3://Upper/x",
                "s3://key:secret@bucket/x",
                "s3://under_score",
            )
        ),
    ],
)
def test_locations_that_are_none(location: str, message: str) -> None:
    """They are refused before anything is asked, and nothing that may be a secret is shown."""
    with pytest.raises(UsageError) as caught:
        CheckpointStore.open(location)
    assert f"--checkpoint_dir: {message}" == str(caught.value)


def _raising(error: OSError) -> Callable[[object], object]:
    def get_file_info(_wanted: object) -> object:
        raise error

    return get_file_info


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            PermissionError(13, "Cannot list"),
            2,
            "permission denied, got 'file:///x/errors'. Give this user the right to it, or "
            "another.",
        ),
        (
            OSError(36, "Cannot list"),
            2,
            "file name too long, got 'file:///x/errors'. Choose another folder.",
        ),
        (
            OSError(5, "Cannot list"),
            1,
            "input/output error, got 'file:///x/errors'. Check the folder and its disk.",
        ),
    ],
)
def test_folders_that_cannot_be_read(error: OSError, code: int, message: str) -> None:
    """What the file system says, in one line."""

    class Broken:
        get_file_info = staticmethod(_raising(error))

    with pytest.raises(ErrorWindowsError) as caught:
        CheckpointStore(Folder(Broken(), "file", "/x")).completed("errors")
    assert (code, f"--checkpoint_dir: {message}") == (caught.value.exit_code, str(caught.value))


def test_a_file_in_place_of_the_folder(tmp_path: pathlib.Path) -> None:
    """Said for reading and for writing alike."""
    path = tmp_path / "file"
    path.write_text("")
    store = CheckpointStore.open(str(path))
    expected = "--checkpoint_dir: not a folder, got 'file://{}'. Give a folder."
    with pytest.raises(UsageError) as caught:
        store.completed("errors")
    assert expected.format(path / "errors") == str(caught.value)
    with pytest.raises(UsageError) as caught:
        store.job("errors").write("job.json", b"")
    assert expected.format(path / "errors" / "job.json") == str(caught.value)


def test_repr_is_the_address_alone(tmp_path: pathlib.Path) -> None:
    """For messages and logs."""
    assert f"CheckpointStore('file://{tmp_path}')" == repr(CheckpointStore.open(str(tmp_path)))
