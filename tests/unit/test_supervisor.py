"""Real programs under a real supervisord.

Programs tell what they do through FIFOs: opening one waits for the other side, so nothing is
polled, and a FIFO ends when the last program that holds it has ended.
"""

from __future__ import annotations

import os
import pathlib
import shlex
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from pipeline.errors import ServiceError
from pipeline.local.process import ManagedProcess
from pipeline.local.program import Program
from pipeline.local.supervisor import ProgramState, Supervisor

DEADLINE_SECONDS = 30.0
_POLL_SECONDS = 0.05


@pytest.fixture
def supervisor(tmp_path: pathlib.Path) -> Iterator[Supervisor]:
    """One of an own folder, stopped at the end."""
    supervisor = Supervisor(tmp_path / "run")
    yield supervisor
    supervisor.stop()


def shell(name: str, script: str, **options: bool) -> Program:
    """A program of the shell."""
    return Program(name, ("/bin/sh", "-c", script), dict(os.environ), **options)


def fifo(path: pathlib.Path) -> pathlib.Path:
    """Makes a FIFO."""
    os.mkfifo(path)
    return path


def waiting(path: pathlib.Path) -> str:
    """A script that writes its pid to a FIFO and keeps that open until it is ended."""
    return f"exec 3>{shlex.quote(str(path))}; echo $$ >&3; exec sleep 1000"


def states(supervisor: Supervisor) -> dict[str, str]:
    """Program to state."""
    return {state.name: state.state for state in supervisor.states()}


def wait_for(supervisor: Supervisor, wanted: str) -> ProgramState:
    """Asks until the only program is in a state; the timeout of tests is the deadline."""
    while True:
        (state,) = supervisor.states()
        if state.state == wanted:
            return state
        time.sleep(_POLL_SECONDS)


def test_a_program_is_started_and_its_pid_file_holds_the_number_alone(
    supervisor: Supervisor, tmp_path: pathlib.Path
) -> None:
    """`kill $(cat FILE)` reaches the program itself, not what started it."""
    path = fifo(tmp_path / "fifo")
    supervisor.start([shell("web", waiting(path))], detached=True)

    with open(path, encoding="ascii") as lines:
        pid = lines.readline()

    assert pid == supervisor.pid_path("web").read_text(encoding="ascii")
    (state,) = supervisor.states()
    assert ("web", int(pid)) == (state.name, state.pid)
    assert [supervisor.pid_path("web")] == list(supervisor.folder.glob("web.pid*"))


def test_a_killed_program_is_started_again(supervisor: Supervisor, tmp_path: pathlib.Path) -> None:
    """It gets a new number, which the pid file tells."""
    path = fifo(tmp_path / "fifo")
    supervisor.start([shell("web", waiting(path))], detached=True)
    with open(path, encoding="ascii") as lines:
        first = int(lines.readline())
        os.kill(first, signal.SIGKILL)
        assert "" == lines.readline()  # It has ended.

    with open(path, encoding="ascii") as lines:
        second = int(lines.readline())

    assert first != second
    assert f"{second}\n" == supervisor.pid_path("web").read_text(encoding="ascii")


def test_stop_ends_all_programs_and_what_they_started(
    supervisor: Supervisor, tmp_path: pathlib.Path
) -> None:
    """A second stop finds nothing to do."""
    path = fifo(tmp_path / "fifo")
    script = f"exec 3>{shlex.quote(str(path))}; sleep 1000 & echo >&3; wait"
    supervisor.start([shell("web", waiting(path)), shell("child", script)], detached=True)
    with open(path, encoding="ascii") as lines:
        assert ["", ""] == [lines.readline().strip().strip("0123456789") for _ in range(2)]

        assert supervisor.stop()

        assert "" == lines.read()
    assert not supervisor.is_running()
    assert not supervisor.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
def test_a_killed_supervisord_takes_its_programs_along(
    supervisor: Supervisor, tmp_path: pathlib.Path
) -> None:
    """Else a second start would run everything twice."""
    path = fifo(tmp_path / "fifo")
    supervisor.start([shell("web", waiting(path))], detached=True)
    with open(path, encoding="ascii") as lines:
        lines.readline()
        process = ManagedProcess.attach("supervisor", supervisor.folder / "supervisor.json")
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)

        assert "" == lines.read()
    assert process.wait(DEADLINE_SECONDS) is not None
    assert not supervisor.is_running()


def test_a_folder_of_a_killed_supervisord_can_be_started_again(
    supervisor: Supervisor, tmp_path: pathlib.Path
) -> None:
    """The socket and the pid files that it left are no obstacle."""
    path = fifo(tmp_path / "fifo")
    supervisor.start([shell("web", waiting(path))], detached=True)
    with open(path, encoding="ascii") as lines:
        lines.readline()
        process = ManagedProcess.attach("supervisor", supervisor.folder / "supervisor.json")
        assert process is not None
        process.kill()

    supervisor.start([shell("web", waiting(path))], detached=True)

    with open(path, encoding="ascii") as lines:
        pid = lines.readline()
    assert pid == supervisor.pid_path("web").read_text(encoding="ascii")


def test_any_later_process_finds_the_supervisor_by_its_folder(
    supervisor: Supervisor, tmp_path: pathlib.Path
) -> None:
    """`stop` and `status` are commands of their own; a second start is refused."""
    path = fifo(tmp_path / "fifo")
    supervisor.start([shell("web", waiting(path))], detached=True)
    with open(path, encoding="ascii") as lines:
        lines.readline()
        later = Supervisor(supervisor.folder)
        assert later.is_running()
        with pytest.raises(ServiceError) as caught:
            later.start([], detached=True)
        message = f"supervisor: it runs already, got {str(supervisor.folder)!r}. Stop it first."
        assert message == str(caught.value)

        assert later.stop()

        assert "" == lines.read()


def test_programs_start_in_the_order_given(supervisor: Supervisor) -> None:
    """ZooKeeper comes before who asks for it, whatever the names are."""
    order = ("zookeeper", "jobmanager-1", "driver", "a")
    supervisor.start([shell(name, "exec sleep 1000") for name in order], detached=True)

    pids = {state.name: state.pid for state in supervisor.states()}
    log = (supervisor.folder / "supervisord.log").read_text(encoding="utf-8")

    spawned = [line.split("'")[1] for line in log.splitlines() if "spawned:" in line]
    assert list(order) == spawned
    assert set(order) == set(pids)


def test_a_program_that_ends_well_is_not_started_again(
    supervisor: Supervisor, tmp_path: pathlib.Path
) -> None:
    """Exit code 0 is an end, any other is not."""
    path, answers = fifo(tmp_path / "fifo"), fifo(tmp_path / "answers")
    count = tmp_path / "count"
    script = f'echo x >> {count}; echo >{path}; read answer < {answers}; exit "$answer"'
    supervisor.start([shell("driver", script, autostart=False, ends_well=True)], detached=True)
    assert {"driver": "STOPPED"} == states(supervisor)

    supervisor.start_program("driver")
    for answer in ("3", "0"):
        path.read_text(encoding="ascii")
        # Whoever ends before has not started, in supervisord's eyes.
        wait_for(supervisor, "RUNNING")
        answers.write_text(f"{answer}\n", encoding="ascii")

    assert 0 == wait_for(supervisor, "EXITED").exit_code
    assert "x\nx\n" == count.read_text(encoding="ascii")


def test_a_stopped_program_stays_down_until_it_is_started(
    supervisor: Supervisor, tmp_path: pathlib.Path
) -> None:
    """Only the program named is touched."""
    one, two = fifo(tmp_path / "one"), fifo(tmp_path / "two")
    supervisor.start([shell("one", waiting(one)), shell("two", waiting(two))], detached=True)
    with open(one, encoding="ascii") as first, open(two, encoding="ascii") as second:
        first.readline()
        kept = second.readline()

        supervisor.stop_program("one")

        assert "" == first.read()
        found = {state.name: state.pid for state in supervisor.states()}
        assert {"one": 0, "two": int(kept)} == found
    supervisor.start_program("one")
    with open(one, encoding="ascii") as lines:
        assert int(lines.readline()) > 0


@pytest.mark.parametrize(
    ("method", "name", "fault"),
    [
        ("start_program", "none", "startProcess(none, False) failed (BAD_NAME: none)"),
        ("stop_program", "none", "stopProcess(none) failed (BAD_NAME: none)"),
        ("stop_program", "idle", "stopProcess(idle) failed (NOT_RUNNING: idle)"),
    ],
)
def test_what_supervisord_refuses_is_one_line(
    supervisor: Supervisor, method: str, name: str, fault: str
) -> None:
    """With supervisord's own word for it."""
    supervisor.start([shell("idle", "exec sleep 1000", autostart=False)], detached=True)

    with pytest.raises(ServiceError) as caught:
        getattr(supervisor, method)(name)

    assert f"supervisor: {fault}." == str(caught.value)


def test_a_folder_without_a_supervisor_is_one_line(tmp_path: pathlib.Path) -> None:
    """Nothing runs, and that is told."""
    supervisor = Supervisor(tmp_path)
    assert not supervisor.is_running()
    assert not supervisor.stop()
    with pytest.raises(ServiceError) as caught:
        supervisor.states()
    message = f"supervisor: it does not run, got {str(tmp_path)!r}. Start it."
    assert message == str(caught.value)


def test_a_supervisord_that_cannot_start_says_why(tmp_path: pathlib.Path) -> None:
    """The end of its own output is in the message, and no process is left."""
    supervisor = Supervisor(tmp_path)
    (tmp_path / "supervisord.log").mkdir()

    with pytest.raises(ServiceError) as caught:
        supervisor.start([], detached=True)

    assert str(caught.value).startswith("supervisor: it does not start (")
    assert "Is a directory" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert ManagedProcess.attach("supervisor", tmp_path / "supervisor.json") is None


VALUES = {
    "QUOTES": """it's "quoted" `so` $HOME \\ and \\n""",
    "PERCENT": "%(here)s 100% %%s",
    "COMMENT": "a #b ;c # d ; e",
    "EMPTY": "",
    "SPACES": "  two  ",
    "UMLAUT": "größe",
    "ASSIGNMENT": "a=b,c=d",
}


@pytest.mark.parametrize("folder", ["run", "my #1 run; 100% 'sure'", "long/" + "folder-name-" * 20])
def test_values_and_folders_of_any_spelling_reach_the_program(
    tmp_path: pathlib.Path, folder: str
) -> None:
    """Quotes, percent signs, what begins a comment, and paths longer than a socket's may be."""
    supervisor = Supervisor(tmp_path / folder)
    target = fifo(tmp_path / "fifo")
    code = "import os, sys; open(sys.argv[1], 'w').write(repr((sys.argv[2:], dict(os.environ))))"
    arguments = [*VALUES.values()]
    program = Program(
        "echo",
        (sys.executable, "-c", code, str(target), *arguments),
        {**os.environ, **VALUES},
        autostart=False,
    )
    supervisor.start([program], detached=True)
    try:
        supervisor.start_program("echo")
        got, environment = eval(target.read_text(encoding="utf-8"))  # noqa: S307 - our own text
    finally:
        supervisor.stop()

    assert arguments == got
    assert VALUES == {name: environment[name] for name in VALUES}
    assert supervisor.log_path("echo").is_file()
    assert (supervisor.folder / "supervisord.log").is_file()


def test_what_is_inherited_is_not_written_down(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets of the environment get into no file."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    supervisor.start([shell("idle", "exec sleep 1000", autostart=False)], detached=True)

    config = (supervisor.folder / "supervisord.conf").read_text(encoding="utf-8")

    assert "hush" not in config
    assert ["idle"] == list(states(supervisor))


def test_the_log_of_a_program_holds_both_of_its_streams(
    supervisor: Supervisor, tmp_path: pathlib.Path
) -> None:
    """In the order written."""
    path = fifo(tmp_path / "fifo")
    script = f"echo out; echo error >&2; exec 3>{path}; exec sleep 1000"
    supervisor.start([shell("web", script)], detached=True)
    with open(path, encoding="ascii"):
        # Supervisord has read all of it when it has seen the end of the pipe.
        supervisor.stop_program("web")

    assert "out\nerror\n" == supervisor.log_path("web").read_text(encoding="ascii")


def test_a_state_has_its_times_and_its_exit_code(supervisor: Supervisor) -> None:
    """A program that was never started has no pid and no exit code."""
    supervisor.start([shell("idle", "exec sleep 1000", autostart=False)], detached=True)

    (state,) = supervisor.states()

    assert ProgramState("idle", "STOPPED", 0, state.seconds, 0) == state
