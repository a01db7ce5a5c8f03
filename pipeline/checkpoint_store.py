"""Where checkpoints lie: a folder of a file system or of an S3-compatible store, and its errors.

A location is written as Flink takes it: a path, `file:///folder` or `s3://bucket/prefix`, with
nothing percent-decoded, because Flink's `Path` decodes nothing either.
"""

from __future__ import annotations

import os
import pathlib
import posixpath
import re
import urllib.parse
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pyarrow import fs

from pipeline.checkpoint_errors import storage_error
from pipeline.errors import UsageError
from pipeline.s3_settings import S3Settings

CHECKPOINT_DIR_FLAG = "--checkpoint_dir"
# Stores other than AWS take any region; without one the SDK looks for a metadata service first.
_ANY_REGION = "us-east-1"
_CONNECT_TIMEOUT_SECONDS = 5
_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
# Also what Java takes for a host: Flink finds no bucket in an address with other characters.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class Folder:
    """A folder that holds jobs' checkpoints; paths in it are relative, with `/`.

    All methods raise UsageError or ServiceError, one line each that opens with the flag, when
    the store cannot be used as it is. A store in the network is asked up to three times when
    it does not answer: the AWS SDK does that.

    Args:
      filesystem: pyarrow's.
      scheme: `file` or `s3`.
      root: the folder as pyarrow takes it: an absolute path, or `bucket/prefix`.
      flag: which flag named the folder.
      endpoint: of the S3 store, for messages.
    """

    def __init__(
        self,
        filesystem: fs.FileSystem,
        scheme: str,
        root: str,
        *,
        flag: str = CHECKPOINT_DIR_FLAG,
        endpoint: str | None = None,
    ) -> None:
        self._fs = filesystem
        self._scheme = scheme
        self._root = root
        self._flag = flag
        self._endpoint = endpoint

    def __repr__(self) -> str:
        return f"Folder({self.uri()!r})"

    @property
    def is_object_store(self) -> bool:
        """Whether folders are only prefixes of keys: no time of change, and one call for all."""
        return self._scheme == "s3"

    @property
    def name(self) -> str:
        """The last part of the folder's path; empty for the root of a file system."""
        return posixpath.basename(self._root)

    @property
    def parent(self) -> Folder | None:
        """The folder around this one; None for the root of a file system and for a bucket."""
        root = posixpath.dirname(self._root)
        if root in ("", self._root):
            return None
        return Folder(self._fs, self._scheme, root, flag=self._flag, endpoint=self._endpoint)

    def child(self, path: str) -> Folder:
        """The folder at a relative path in this one."""
        root = posixpath.join(self._root, path)
        return Folder(self._fs, self._scheme, root, flag=self._flag, endpoint=self._endpoint)

    def uri(self, path: str = "") -> str:
        """The address of something in this folder, as Flink takes it."""
        return f"{self._scheme}://{posixpath.join(self._root, path) if path else self._root}"

    def entries(
        self, path: str = "", *, recursive: bool = False
    ) -> Iterator[tuple[str, fs.FileInfo]]:
        """What is in a folder: relative paths with what is known of each; nothing if it is gone."""
        selector = fs.FileSelector(posixpath.join(self._root, path), recursive=recursive)
        with self._errors(path):
            try:
                found = self._fs.get_file_info(selector)
            except FileNotFoundError:
                return
        start = len(posixpath.join(self._root, ""))
        for info in found:
            yield info.path[start:], info

    def info(self, paths: Sequence[str]) -> list[fs.FileInfo]:
        """What is known of each path, whether or not there is something."""
        with self._errors():
            infos: list[fs.FileInfo] = self._fs.get_file_info(
                [posixpath.join(self._root, path) for path in paths]
            )
        return infos

    def read(self, path: str, size_bytes: int | None = None) -> bytes | None:
        """A file's first `size_bytes` (default: all of it), or None when there is no such file."""
        with self._errors(path):
            try:
                with self._fs.open_input_file(posixpath.join(self._root, path)) as file:
                    return bytes(file.read(size_bytes))
            except FileNotFoundError:
                return None

    def write(self, path: str, content: bytes) -> None:
        """Puts a file there, whole or not at all; makes its folder, and replaces an older one."""
        target = posixpath.join(self._root, path)
        with self._errors(path):
            if self.is_object_store:
                # An object appears when all of it has come.
                with self._fs.open_output_stream(target) as file:
                    file.write(content)
                return
            self._fs.create_dir(posixpath.dirname(target), recursive=True)
            unfinished = f"{target}.{uuid.uuid4().hex}.unfinished"
            try:
                with self._fs.open_output_stream(unfinished) as file:
                    file.write(content)
                self._fs.move(unfinished, target)
            except OSError:
                pathlib.Path(unfinished).unlink(missing_ok=True)
                raise

    @contextmanager
    def _errors(self, path: str = "") -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise storage_error(self._flag, error, self.uri(path), self._endpoint) from error


def open_folder(
    location: str, s3: S3Settings | None = None, *, flag: str = CHECKPOINT_DIR_FLAG
) -> Folder:
    """The folder at a path, `file://` or `s3://`; it need not exist yet.

    Asks the network only for the region of a bucket at AWS, when the environment names none.

    Args:
      location: what the user gave.
      s3: how to reach the store of `s3://`; default: what the environment says.
      flag: what the user gave it with, for errors.

    Raises:
      UsageError: the location is not of these forms.
      ServiceError: AWS does not answer.
    """
    match = _URI.fullmatch(location)
    if match is None:
        path = location.removeprefix("file:")  # Flink's own messages write file:/folder.
        return Folder(fs.LocalFileSystem(), "file", _absolute(path, location, flag), flag=flag)
    scheme, rest = match["scheme"].lower(), match["rest"]
    if scheme == "file":
        if not rest.startswith("/"):
            raise UsageError(
                flag, "not a file of this machine", got=location, fix="Write it file:///folder."
            )
        return Folder(fs.LocalFileSystem(), "file", _absolute(rest, location, flag), flag=flag)
    if scheme in ("s3", "s3a"):
        return _open_s3(rest, s3 or S3Settings.from_environment(), flag)
    raise UsageError(
        flag,
        f"{scheme}:// is not offered",
        fix="Use a folder that all machines share, or s3://bucket/prefix.",
    )


def _absolute(path: str, given: str, flag: str) -> str:
    try:
        given.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(flag, "not UTF-8", got=given, fix="Choose another folder.") from None
    if not path:
        raise UsageError(flag, "empty", fix="Give a folder, or s3://bucket/prefix.")
    return "/" + os.path.abspath(path).lstrip("/")


def _open_s3(rest: str, s3: S3Settings, flag: str) -> Folder:
    bucket, *parts = [part for part in rest.split("/") if part] or [""]
    if _BUCKET.fullmatch(bucket) is None:
        # Not shown: pyarrow's own form of these addresses has the secret key in front of an @.
        raise UsageError(
            flag,
            "no bucket's name after s3://",
            fix="Write it s3://bucket/prefix; credentials come from the environment.",
        )
    if "." in parts or ".." in parts:
        raise UsageError(flag, "'.' and '..' mean nothing in a store", fix="Write the prefix out.")
    root = "/".join((bucket, *parts))
    options: dict[str, str] = {}
    region = s3.region
    if s3.endpoint is not None:
        address = urllib.parse.urlsplit(s3.endpoint)
        options = {"scheme": address.scheme, "endpoint_override": address.netloc}
        region = region or _ANY_REGION
    try:
        filesystem = fs.S3FileSystem(
            region=region or fs.resolve_s3_region(bucket),
            connect_timeout=_CONNECT_TIMEOUT_SECONDS,
            **options,
        )
    except OSError as error:
        raise storage_error(flag, error, f"s3://{root}", s3.endpoint) from error
    return Folder(filesystem, "s3", root, flag=flag, endpoint=s3.endpoint)
