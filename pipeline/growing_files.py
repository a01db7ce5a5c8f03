"""Files of whole lines that others are still writing to."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator

from pipeline.errors import UsageError
from pipeline.source_flags import FROM_FLAG


class Tail:
    """A file that grows, and how far it has been read."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file_number = 0
        self._size = 0
        self._position = 0

    def new_lines(self) -> Iterator[bytes]:
        """Yields the whole lines behind the position; a file that is gone has none."""
        try:
            now = os.stat(self._path)
            if now.st_ino != self._file_number or now.st_size < self._position:
                # Another file under this name: a bounded job replaces its output.
                self._position = 0
            elif now.st_size == self._size:
                return
            file = open(self._path, "rb")  # noqa: SIM115
        except FileNotFoundError:
            return
        self._file_number, self._size = now.st_ino, now.st_size
        with file:
            file.seek(self._position)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._position += len(line)
                yield line


@contextlib.contextmanager
def reading(path: pathlib.Path) -> Iterator[None]:
    """Turns an OSError within the block into a UsageError about `--from`."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            FROM_FLAG,
            f"cannot be read ({error.strerror})",
            got=error.filename or str(path),
            fix="Give a folder or file that you may read.",
        ) from None
