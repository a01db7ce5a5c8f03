"""Child processes: start, stop, logs, pid files, and their end with their caller."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import pytest

from pipeline.errors import ServiceError
from pipeline.local import guard
from pipeline.local.ports import free_port, free_ports, is_free
from pipeline.local.process import UNKNOWN_EXIT_CODE, ManagedProcess, tail

_DEADLINE_SECONDS = 30.0
_ROOT = pathlib.Path(__file__).resolve().parents[2]

# A child that says when it is ready, and then waits for a signal.
_WAITING = "import signal; print('ready', flush=True); signal.pause()"
# One that does not care for SIGTERM.
_STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {_WAITING}"
# One with a child of its own in its group, whose pid it prints.
_PARENT = (
    "import signal, subprocess, sys; "
    "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()']); "
    "print(child.pid, flush=True); signal.pause()"
)
# A caller: starts a child with a pid file, says so, and waits.
_CALLER = """
import pathlib, signal, sys
from pipeline.local.process import ManagedProcess
folder = pathlib.Path(sys.argv[1])
child = ManagedProcess.start(
    "child", [sys.executable, "-c", sys.argv[2]], log_path=folder / "log",
    pid_path=folder / "pid", detached=sys.argv[3] == "detached")
print("started", flush=True)
sys.stdin.read()
"""


def _start(tmp_path: pathlib.Path, program: str, **options: object) -> ManagedProcess:
    """Starts a Python program in a pipe-free way and returns when it runs."""
    return ManagedProcess.start(
        "child",
        [sys.executable, "-u", "-c", program],
        log_path=tmp_path / "log",
        **options,  # type: ignore[arg-type]
    )


def _start_reporting(tmp_path: pathlib.Path, program: str) -> tuple[ManagedProcess, str]:
    """Starts a program and returns with the first line it writes (through a FIFO)."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    redirect = f"import os, sys; os.dup2(os.open({str(fifo)!r}, os.O_WRONLY), 1); "
    process = _start(tmp_path, redirect + program)
    with open(fifo, encoding="ascii") as lines:
        return process, lines.readline().strip()


def _start_caller(
    tmp_path: pathlib.Path, kind: str, program: str = _WAITING
) -> subprocess.Popen[bytes]:
    caller = subprocess.Popen(
        [sys.executable, "-c", _CALLER, str(tmp_path), program, kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )
    assert caller.stdout is not None
    assert b"started\n" == caller.stdout.readline()
    return caller


def _child_of(tmp_path: pathlib.Path) -> ManagedProcess:
    child = ManagedProcess.attach("child", tmp_path / "pid")
    assert child is not None
    return child


def test_exit_code_of_a_child_that_ends_by_itself(tmp_path: pathlib.Path) -> None:
    """`wait` gives the program's own exit code, and `poll` goes on giving it."""
    process = _start(tmp_path, "raise SystemExit(3)")
    assert 3 == process.wait(_DEADLINE_SECONDS)
    assert 3 == process.poll()


def test_exit_code_of_a_child_that_is_killed_is_negative(tmp_path: pathlib.Path) -> None:
    """A child ended by a signal has the signal's negative number as its code."""
    process = _start(tmp_path, _WAITING)
    os.kill(process.pid, signal.SIGKILL)
    assert -signal.SIGKILL == process.wait(_DEADLINE_SECONDS)


def test_stop_ends_a_child_with_sigterm(tmp_path: pathlib.Path) -> None:
    """`stop` asks first: a child without a handler dies of SIGTERM."""
    process, first_line = _start_reporting(tmp_path, _WAITING)
    assert "ready" == first_line
    assert process.poll() is None
    process.stop()
    assert -signal.SIGTERM == process.poll()


def test_stop_kills_a_child_that_ignores_sigterm(tmp_path: pathlib.Path) -> None:
    """When the time given is over, SIGKILL follows."""
    process, _ = _start_reporting(tmp_path, _STUBBORN)
    process.stop(timeout_seconds=0.2)
    assert -signal.SIGKILL == process.poll()


def test_kill_ends_a_child_at_once(tmp_path: pathlib.Path) -> None:
    """`kill` is SIGKILL without a SIGTERM before it."""
    process, _ = _start_reporting(tmp_path, _WAITING)
    process.kill()
    assert -signal.SIGKILL == process.poll()


def test_stop_ends_the_whole_process_group(tmp_path: pathlib.Path) -> None:
    """A child of the child ends too, whichever way the child itself ends."""
    process, grandchild = _start_reporting(tmp_path, _PARENT)
    start_id = guard.process_start_id(int(grandchild))
    os.kill(process.pid, signal.SIGKILL)
    assert -signal.SIGKILL == process.wait(_DEADLINE_SECONDS)
    assert start_id is not None
    assert start_id != guard.process_start_id(int(grandchild))


def test_context_manager_stops_the_child(tmp_path: pathlib.Path) -> None:
    """Leaving the block ends the child."""
    with _start(tmp_path, _WAITING) as process:
        assert process.poll() is None
    assert process.poll() is not None


def test_log_is_appended_to(tmp_path: pathlib.Path) -> None:
    """What every start writes to stdout and stderr."""
    for text in ("one", "two"):
        process = _start(tmp_path, f"import sys; print({text!r}, file=sys.stderr)")
        assert 0 == process.wait(_DEADLINE_SECONDS)
    assert "one\ntwo\n" == (tmp_path / "log").read_text()


def test_environment_is_the_one_given(tmp_path: pathlib.Path) -> None:
    """`env` is the child's whole environment."""
    process = _start(tmp_path, "import os; print(os.environ['WORD'])", env={"WORD": "yes"})
    assert 0 == process.wait(_DEADLINE_SECONDS)
    assert "yes\n" == (tmp_path / "log").read_text()


def test_child_has_a_session_of_its_own(tmp_path: pathlib.Path) -> None:
    """Ctrl-C goes to the terminal's group, in which the child is not."""
    with _start(tmp_path, _WAITING) as process:
        assert process.pid == os.getpgid(process.pid)
        assert process.pid == os.getsid(process.pid)


@pytest.mark.parametrize("detached", [False, True])
def test_program_that_is_not_there(tmp_path: pathlib.Path, detached: bool) -> None:
    """A missing program is one line that names it, and leaves no pid file."""
    with pytest.raises(ServiceError) as caught:
        ManagedProcess.start(
            "child",
            ["/nowhere/java"],
            log_path=tmp_path / "log",
            detached=detached,
            pid_path=tmp_path / "pid",
        )
    assert (
        "child: cannot be started (No such file or directory), got '/nowhere/java'. "
        "Check that the program is there and may be run."
    ) == str(caught.value)
    assert not (tmp_path / "pid").exists()


@pytest.mark.parametrize("detached", [False, True])
def test_pid_file_that_cannot_be_written(tmp_path: pathlib.Path, detached: bool) -> None:
    """Then nothing is left running."""
    with pytest.raises(ServiceError, match=r"^child: cannot be started \(No such file"):
        _start(tmp_path, _WAITING, detached=detached, pid_path=tmp_path / "missing" / "pid")


def test_log_that_cannot_be_written(tmp_path: pathlib.Path) -> None:
    """A log in a folder that is not there is one line that names it."""
    path = tmp_path / "missing" / "log"
    with pytest.raises(ServiceError) as caught:
        ManagedProcess.start("child", [sys.executable], log_path=path)
    assert (
        f"child: its log cannot be written (No such file or directory), got {str(path)!r}. "
        "Make its folder writable or choose another one."
    ) == str(caught.value)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_child_ends_with_its_caller(tmp_path: pathlib.Path, number: int) -> None:
    """A caller that is killed, even with `kill -9`, leaves no child."""
    with _start_caller(tmp_path, "guarded") as caller:
        child = _child_of(tmp_path)
        caller.send_signal(number)
        assert UNKNOWN_EXIT_CODE == child.wait(_DEADLINE_SECONDS)


def test_child_ends_with_a_caller_that_just_returns(tmp_path: pathlib.Path) -> None:
    """A caller that forgets to stop its child leaves none."""
    with _start_caller(tmp_path, "guarded") as caller:
        child = _child_of(tmp_path)
        caller.communicate(b"")
        assert 0 == caller.returncode
        assert UNKNOWN_EXIT_CODE == child.wait(_DEADLINE_SECONDS)


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
def test_child_ends_with_its_guard(tmp_path: pathlib.Path) -> None:
    """`kill -9` of the guard itself leaves no child either, and `poll` tells."""
    with _start(tmp_path, _WAITING, pid_path=tmp_path / "pid") as process:
        child = _child_of(tmp_path)
        stat = pathlib.Path(f"/proc/{process.pid}/stat").read_text()
        guard_pid = int(stat.rpartition(")")[2].split()[1])
        os.kill(guard_pid, signal.SIGKILL)
        assert UNKNOWN_EXIT_CODE == child.wait(_DEADLINE_SECONDS)
        assert -signal.SIGKILL == process.wait(_DEADLINE_SECONDS)


@pytest.mark.skipif(sys.platform != "linux", reason="needs pidfd_open")
def test_a_fork_of_the_caller_does_not_keep_the_child(tmp_path: pathlib.Path) -> None:
    """A forked worker holds the caller's pipes open; the child ends nevertheless."""
    program = _CALLER.replace(
        'print("started"',
        'import os\nif os.fork() == 0:\n    sys.stdin.read(); os._exit(0)\nprint("started"',
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), _WAITING, "guarded"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    ) as caller:
        assert caller.stdout is not None
        assert b"started\n" == caller.stdout.readline()
        child = _child_of(tmp_path)
        caller.kill()
        assert UNKNOWN_EXIT_CODE == child.wait(_DEADLINE_SECONDS)


def test_detached_child_outlives_its_caller_and_is_stopped_by_another(
    tmp_path: pathlib.Path,
) -> None:
    """A later process finds it by the pid file and stops it; the file is gone then."""
    with _start_caller(tmp_path, "detached") as caller:
        caller.communicate(b"")
    child = _child_of(tmp_path)
    assert child.poll() is None
    child.stop()
    assert UNKNOWN_EXIT_CODE == child.poll()
    assert not (tmp_path / "pid").exists()
    assert ManagedProcess.attach("child", tmp_path / "pid") is None


def test_stop_of_a_detached_child_ends_in_sigkill(tmp_path: pathlib.Path) -> None:
    """A detached child that ignores SIGTERM ends too."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    program = f"import os; os.dup2(os.open({str(fifo)!r}, os.O_WRONLY), 1); {_STUBBORN}"
    process = _start(tmp_path, program, detached=True, pid_path=tmp_path / "pid")
    with open(fifo, encoding="ascii") as lines:
        assert "ready\n" == lines.readline()
    process.stop(timeout_seconds=0.2)
    assert UNKNOWN_EXIT_CODE == process.poll()


def test_a_recycled_pid_is_never_taken_for_the_service(tmp_path: pathlib.Path) -> None:
    """A live process with the pid of the file but another start is left alone."""
    with _start(tmp_path, _WAITING) as stranger:
        pid_path = tmp_path / "pid"
        pid_path.write_text(json.dumps({"pid": stranger.pid, "start_id": "earlier/1"}))
        assert ManagedProcess.attach("child", pid_path) is None
        assert stranger.poll() is None


def test_no_pid_file_is_no_process(tmp_path: pathlib.Path) -> None:
    """`attach` gives None where nothing was ever started."""
    assert ManagedProcess.attach("child", tmp_path / "pid") is None


def test_broken_pid_file_is_one_line(tmp_path: pathlib.Path) -> None:
    """A pid file that is no pid file is an error that says what to do."""
    path = tmp_path / "pid"
    path.write_text("12")
    with pytest.raises(ServiceError, match=r"^pid file: not readable .* Remove it if"):
        ManagedProcess.attach("child", path)


def test_detached_needs_a_pid_path(tmp_path: pathlib.Path) -> None:
    """Without a pid file nobody could ever stop it."""
    with pytest.raises(ValueError, match="pid_path"):
        _start(tmp_path, _WAITING, detached=True)


def test_tail_gives_the_last_lines_safe_for_a_terminal(tmp_path: pathlib.Path) -> None:
    """Escape sequences and bytes that are no text are shown, not sent."""
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo \x1b[2J\r\nthree \xff\n")
    assert "two \\x1b[2J\nthree \\xff" == tail(path, 2)


def test_tail_of_a_missing_log_is_empty(tmp_path: pathlib.Path) -> None:
    """An error message goes without it."""
    assert "" == tail(tmp_path / "log")


def test_free_ports_differ_and_are_free() -> None:
    """Two services get two ports, and they can listen there."""
    first, second = free_ports(2)
    assert first != second
    assert is_free(first)
    assert is_free(free_port())


def test_a_port_in_use_is_not_free() -> None:
    """A listening socket makes its port taken."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_free(server.getsockname()[1])
