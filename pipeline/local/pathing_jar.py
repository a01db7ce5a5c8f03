"""Writes a pathing jar: an empty jar whose manifest names a main class and a class path.

Beam takes one jar wherever it starts Java; a pathing jar lets a set of modules stand in for it.
"""

from __future__ import annotations

import hashlib
import io
import os
import pathlib
import tempfile
import zipfile
from collections.abc import Sequence

from pipeline.local import folders

_MANIFEST = "META-INF/MANIFEST.MF"
_LINE_BYTES = 72
# A fixed time (the earliest a zip can hold), so that the same content gives the same bytes.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def write_pathing_jar(
    jars: Sequence[pathlib.Path], *, main_class: str, path: pathlib.Path | None = None
) -> pathlib.Path:
    """Writes a jar that starts `main_class` with `jars` as class path, and returns where it is.

    Without `path` it goes to the cache folder, under a name made from its content. It appears
    whole or not at all, so several runs may write it at once.
    """
    content = _jar_bytes(jars, main_class)
    if path is None:
        name = f"{main_class.rpartition('.')[2]}-{hashlib.sha256(content).hexdigest()[:16]}.jar"
        path = folders.cache_dir() / "pathing" / name
    path = path.absolute()
    if path.is_file() and path.read_bytes() == content:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)  # mkstemp's 0600 would shut out other users of the cache.
        os.replace(temporary, path)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _jar_bytes(jars: Sequence[pathlib.Path], main_class: str) -> bytes:
    headers = [
        "Manifest-Version: 1.0",
        f"Main-Class: {main_class}",
        # as_uri() percent-encodes what a class path entry cannot hold, a blank above all.
        f"Class-Path: {' '.join(jar.absolute().as_uri() for jar in jars)}",
    ]
    manifest = b"".join(fold_header(header) for header in headers) + b"\r\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(_MANIFEST, _ZIP_TIME), manifest)
    return buffer.getvalue()


def fold_header(header: str) -> bytes:
    """One manifest header as lines of at most 72 bytes without their end, each ended by CRLF.

    Every line but the first starts with a blank that does not count as content.
    """
    rest = header.encode("utf-8")
    lines = [rest[:_LINE_BYTES]]
    rest = rest[_LINE_BYTES:]
    while rest:
        lines.append(b" " + rest[: _LINE_BYTES - 1])
        rest = rest[_LINE_BYTES - 1 :]
    return b"".join(line + b"\r\n" for line in lines)
