"""What a supervisor starts programs through."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from pipeline.local import launch

_TIMEOUT_SECONDS = 30


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs it by its path, as a supervisor does."""
    return subprocess.run(
        [sys.executable, "-I", "-S", launch.__file__, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_SECONDS,
    )


def test_it_becomes_the_program_under_the_number_of_the_pid_file(tmp_path: pathlib.Path) -> None:
    """The number is there before the program runs, alone in its line, and no draft is left."""
    path = tmp_path / "web.pid"

    ran = run(str(path), "/bin/sh", "-c", f"echo $$; cat {path}; exit 7")

    own, from_file = ran.stdout.splitlines()
    assert (own, 7, "") == (from_file, ran.returncode, ran.stderr)
    assert [path] == list(tmp_path.iterdir())


def test_an_older_pid_file_is_replaced(tmp_path: pathlib.Path) -> None:
    """Whoever reads it sees the old number or the new one."""
    path = tmp_path / "web.pid"
    path.write_text("1\n", encoding="ascii")

    ran = run(str(path), "/bin/sh", "-c", "echo $$")

    assert ran.stdout == path.read_text(encoding="ascii")


def test_arguments_and_environment_reach_the_program_as_they_are(tmp_path: pathlib.Path) -> None:
    """No shell looks at them."""
    given = ("a b", "", "$HOME", "'\"\\", "größe")

    ran = run(
        str(tmp_path / "pid"), sys.executable, "-c", "import sys; print(sys.argv[1:])", *given
    )

    assert f"{list(given)}\n" == ran.stdout


def test_a_program_that_is_not_there_is_an_error(tmp_path: pathlib.Path) -> None:
    """The supervisor sees an exit code that is not 0, its log why."""
    ran = run(str(tmp_path / "pid"), "/nowhere/java")

    assert (1, True) == (ran.returncode, "No such file or directory" in ran.stderr)


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
def test_a_program_whose_supervisor_has_just_ended_does_not_run(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal for the end of the parent would not come any more."""
    parents = iter([12_345, 1])
    monkeypatch.setattr(launch.os, "getppid", lambda: next(parents))
    monkeypatch.setattr(launch.ctypes, "CDLL", lambda _: _NoKernel())
    path = tmp_path / "pid"

    with pytest.raises(SystemExit) as caught:
        launch.main([str(path), "/bin/true"])

    assert ("the supervisor ended", False) == (caught.value.code, path.exists())


class _NoKernel:
    """Takes the place of the C library: this test must not end with its parent."""

    def prctl(self, *_: int) -> int:
        """Does nothing."""
        return 0
