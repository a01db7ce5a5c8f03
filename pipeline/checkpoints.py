"""Finds the checkpoint or savepoint from which a Flink job goes on.

Below the folder of checkpoints every job has a folder with its percent-encoded name:

    <job>/job.json                                what the checkpoints were made with
    <job>/<flink job id>/chk-<n>/_metadata        a checkpoint; the job id is new in every start
    <job>/<flink job id>/{shared,taskowned}/      what several checkpoints refer to
    <job>/savepoints/savepoint-<id>/_metadata     a savepoint

Flink writes `_metadata` last and under its name only when all of it is there: a checkpoint with
it is complete, one without is under way, was given up, or is being deleted.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
import re
import urllib.parse
from collections.abc import Iterator
from typing import Literal

from pyarrow import fs

from pipeline.checkpoint_store import CHECKPOINT_DIR_FLAG, Folder, open_folder
from pipeline.errors import ErrorWindowsError, UsageError
from pipeline.s3_settings import S3Settings

FROM_FLAG = "--from"
SAVEPOINTS = "savepoints"
_METADATA = "_metadata"
# What every `_metadata` of Flink opens with.
_MAGIC = bytes.fromhex("4960672d")
_FLINK_JOB_ID = re.compile(r"[0-9a-f]{32}")
_CHECKPOINT = re.compile(r"chk-([0-9]+)")
_SAVEPOINT = re.compile(r"savepoint-.+")
# What file systems allow for one name, less room for what is written beside it.
_MAX_FOLDER_CHARACTERS = 200
_SHOWN_NEAR = 3
# The folder itself, the Flink job's around it, and the job's.
_LEVELS_NEAR = 3


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A completed checkpoint or savepoint.

    Attributes:
      uri: its folder, in the form Flink takes (`--savepoint_path`): `file:///...` or `s3://...`.
      kind: `checkpoint` or `savepoint`.
      number: n of `chk-<n>`, None for a savepoint; goes on over restarts that resume.
      modified: when `_metadata` was written, in UTC; S3 stores know it in whole seconds.
      flink_job_id: of the Flink job that made it; None where its folder does not tell.
    """

    uri: str
    kind: Literal["checkpoint", "savepoint"]
    number: int | None
    modified: datetime.datetime
    flink_job_id: str | None

    @property
    def age_order(self) -> tuple[datetime.datetime, float, str]:
        """Sorts from oldest to newest.

        Times that are the same go by number, savepoints last: the usual savepoint ends its job.
        """
        return (self.modified, math.inf if self.number is None else self.number, self.uri)


def job_folder(job: str) -> str:
    """The name of a job's folder: the job's name, percent-encoded, so that it is one folder.

    Raises:
      UsageError: the name is empty or too long.
    """
    flag = "--job_name"
    name = urllib.parse.quote(job.encode("utf-8", "surrogateescape"), safe="")
    if not name:
        raise UsageError(flag, "empty, so its checkpoints have no folder", fix="Give a name.")
    if len(name) > _MAX_FOLDER_CHARACTERS:
        raise UsageError(
            flag,
            f"too long for a folder, {len(name)} characters when percent-encoded",
            got=job,
            fix=f"At most {_MAX_FOLDER_CHARACTERS}.",
        )
    # Dots need no encoding anywhere else in a name.
    return name.replace(".", "%2E") if name in (".", "..") else name


class CheckpointStore:
    """The folder with the checkpoints of all jobs (`--checkpoint_dir`).

    Nothing is kept between calls. Every method may raise UsageError or ServiceError, one line
    each, when the folder or the store it lies in cannot be used.
    """

    def __init__(self, folder: Folder, s3: S3Settings | None = None) -> None:
        self._folder = folder
        self._s3 = s3

    def __repr__(self) -> str:
        return f"CheckpointStore({self._folder.uri()!r})"

    @classmethod
    def open(cls, uri: str, s3: S3Settings | None = None) -> CheckpointStore:
        """The store at a path, `file://` or `s3://bucket/prefix`; it need not exist yet.

        Args:
          uri: what `--checkpoint_dir` says.
          s3: how to reach the store of `s3://`; default: what the environment says.
        """
        return cls(open_folder(uri, s3, flag=CHECKPOINT_DIR_FLAG), s3)

    def job(self, job: str) -> Folder:
        """The folder of a job; its `uri()` is Flink's `--state_backend_storage_path`."""
        return self._folder.child(job_folder(job))

    def completed(self, job: str, *, flink_job_id: str | None = None) -> list[Checkpoint]:
        """The completed checkpoints and savepoints of a job, newest first.

        A file system is asked folder by folder, `shared/` never. An object store is asked for
        all keys of the job at once, 1000 with each request: folder by folder it would be two
        requests for each start of the job there ever was. To look at a running job every few
        seconds, name its id: one listing of its own folder, one look at each checkpoint there.

        Args:
          job: its name.
          flink_job_id: only checkpoints that this Flink job made, and no savepoints.
        """
        folder = self.job(job)
        found = _of_job(folder) if flink_job_id is None else _in_folders(folder, [flink_job_id])
        return sorted(found, key=lambda each: each.age_order, reverse=True)

    def named(self, path_or_uri: str) -> Checkpoint:
        """The checkpoint or savepoint that `--from` names: its folder, or the `_metadata` in it.

        It may lie anywhere, also outside this store.

        Raises:
          UsageError: there is no completed one; the message names some that lie near.
        """
        bare = path_or_uri.rstrip("/").removesuffix(f"/{_METADATA}")
        folder = open_folder(bare or path_or_uri, self._s3, flag=FROM_FLAG)
        info = folder.info([_METADATA])[0]
        if info.type == fs.FileType.File and folder.read(_METADATA, len(_MAGIC)) == _MAGIC:
            parent = folder.parent
            return _checkpoint(folder.uri(), parent.name if parent else "", folder.name, info)
        if info.type == fs.FileType.File:
            problem = f"{_METADATA} there is not one of Flink"
        elif any(True for _ in folder.entries()):
            problem = f"no completed checkpoint: no {_METADATA} in it"
        else:
            problem = "no such checkpoint"
        raise UsageError(FROM_FLAG, problem, got=path_or_uri, fix=_advice(folder))


def _of_job(folder: Folder) -> Iterator[Checkpoint]:
    """All of a job, in no order."""
    if folder.is_object_store:
        for path, info in folder.entries(recursive=True):
            parent, _, name = path.removesuffix(f"/{_METADATA}").rpartition("/")
            if path.endswith(f"/{_METADATA}") and _is_place(parent, name) and _is_written(info):
                yield _checkpoint(folder.uri(f"{parent}/{name}"), parent, name, info)
        return
    names = [path for path, info in folder.entries() if info.type == fs.FileType.Directory]
    yield from _in_folders(folder, names)


def _in_folders(folder: Folder, parents: list[str]) -> Iterator[Checkpoint]:
    """Those in some folders of a job (`<flink job id>`, `savepoints`), others being passed over."""
    places = []
    for parent in parents:
        if parent == SAVEPOINTS or _FLINK_JOB_ID.fullmatch(parent):
            for path, info in folder.entries(parent):
                name = path.rpartition("/")[2]
                if info.type == fs.FileType.Directory and _is_place(parent, name):
                    places.append((parent, name))
    infos = folder.info([f"{parent}/{name}/{_METADATA}" for parent, name in places])
    for (parent, name), info in zip(places, infos, strict=True):
        if _is_written(info):
            yield _checkpoint(folder.uri(f"{parent}/{name}"), parent, name, info)


def _is_place(parent: str, name: str) -> bool:
    """Whether `<parent>/<name>` in a job's folder is where Flink puts a check- or savepoint."""
    if parent == SAVEPOINTS:
        return _SAVEPOINT.fullmatch(name) is not None
    return bool(_FLINK_JOB_ID.fullmatch(parent) and _CHECKPOINT.fullmatch(name))


def _is_written(info: fs.FileInfo) -> bool:
    # Empty after a power failure: the file system had the name, but not yet the content.
    return bool(info.type == fs.FileType.File and info.size > 0)


def _checkpoint(uri: str, parent: str, name: str, info: fs.FileInfo) -> Checkpoint:
    number = _CHECKPOINT.fullmatch(name)
    return Checkpoint(
        uri=uri,
        kind="checkpoint" if number else "savepoint",
        number=int(number[1]) if number else None,
        modified=info.mtime,
        flink_job_id=parent if number and _FLINK_JOB_ID.fullmatch(parent) else None,
    )


def _advice(folder: Folder) -> str:
    """What to give instead of a folder that is no checkpoint: the newest in it or around it."""
    around: Folder | None = folder
    for _ in range(_LEVELS_NEAR):
        if around is None:
            break
        try:
            near = list(_of_folder(around))
        except ErrorWindowsError:
            break  # What is around it may be closed to this user; that is not what went wrong.
        if near:
            newest = sorted(near, key=lambda each: each.age_order, reverse=True)[:_SHOWN_NEAR]
            return f"Newest near it: {', '.join(each.uri for each in newest)}."
        around = around.parent
    return "Give the folder of a checkpoint (chk-<n>) or of a savepoint."


def _of_folder(folder: Folder) -> Iterator[Checkpoint]:
    """Those of a folder that may be a job's, or one of the folders in it, or something else."""
    parent = folder.parent
    inner = folder.name
    if parent is not None and (inner == SAVEPOINTS or _FLINK_JOB_ID.fullmatch(inner)):
        yield from _in_folders(parent, [inner])
        return
    names = [path for path, info in folder.entries() if info.type == fs.FileType.Directory]
    if any(name == SAVEPOINTS or _FLINK_JOB_ID.fullmatch(name) for name in names):
        yield from _of_job(folder)
