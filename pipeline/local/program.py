"""A program to be run: what a process manager needs to know of it."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Program:
    """A program, its arguments and its environment.

    Attributes:
      name: what it is called in messages, and its pid file and log are named after.
      argv: the program and its arguments.
      environment: the whole environment.
      scratch_dir: a folder that is emptied at every start, for files of one run; a process that
        is killed leaves them behind.
      autostart: whether a supervisor starts it together with the others.
      ends_well: whether exit code 0 means that it is not to be started again.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = dataclasses.field(repr=False)
    scratch_dir: pathlib.Path | None = None
    autostart: bool = True
    ends_well: bool = False
