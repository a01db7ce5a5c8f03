"""What is asked of Flink's REST API, and how its answers are read.

A real HTTP server answers as Flink 1.19 does.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.errors import ServiceError, UsageError
from pipeline.flink_rest import FlinkJob, FlinkRest, FlinkRestError, rest_url

JOB_ID = "0123456789abcdef0123456789abcdef"
Answer = tuple[int, object]


class JobManager:
    """Answers as it is told and notes what it was asked.

    Attributes:
      answers: `METHOD /path` to status and body: bytes as they are, else JSON.
      asked: (`METHOD /path`, body as parsed JSON or None), in order.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, Any]] = []

    def answer(self, request: str, body: object, status: int = 200) -> None:
        """What it answers from now on."""
        self.answers[request] = (status, body)

    def requests(self) -> list[str]:
        """What it was asked, without bodies."""
        return [request for request, _ in self.asked]


@contextlib.contextmanager
def serving() -> Iterator[JobManager]:
    """A JobManager that answers while the block runs."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            request = f"{self.command} {self.path}"
            manager.asked.append((request, body))
            missing = {"errors": [f"Not found: {self.path}"]}
            status, content = manager.answers.get(request, (404, missing))
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            # So that the end of the server finds no connection open.
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = _handle

        def log_message(self, *_: object) -> None:
            """Stays silent."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        manager = JobManager(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield manager
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def manager() -> Iterator[JobManager]:
    """One JobManager."""
    with serving() as manager:
        yield manager


@contextlib.contextmanager
def asking(*urls: str) -> Iterator[FlinkRest]:
    """A client whose connections are closed at the end."""
    rest = FlinkRest(urls)
    try:
        yield rest
    finally:
        rest._session.close()


@pytest.fixture
def rest(manager: JobManager) -> Iterator[FlinkRest]:
    """A client of it."""
    with asking(manager.url) as rest:
        yield rest


@contextlib.contextmanager
def nobody() -> Iterator[str]:
    """An address that refuses connections while the block runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def overview_of(**changes: object) -> dict[str, object]:
    """A job in `/jobs/overview`, with Flink's fields."""
    tasks = {"running": 4, "total": 4, "canceled": 0, "failed": 0, "finished": 0}
    job = {
        "jid": JOB_ID,
        "name": "errors",
        "state": "RUNNING",
        "start-time": 1_795_341_600_000,
        "end-time": -1,
        "duration": 5,
        "tasks": tasks,
    }
    return job | changes


def test_jobs_come_newest_first(manager: JobManager, rest: FlinkRest) -> None:
    """Whatever order Flink tells them in."""
    jobs = [
        overview_of(jid=jid, **{"start-time": at}) for jid, at in (("a", 1), ("c", 3), ("b", 2))
    ]
    manager.answer("GET /jobs/overview", {"jobs": jobs})

    found = rest.jobs()

    assert ["c", "b", "a"] == [job.id for job in found]
    assert FlinkJob("c", "errors", "RUNNING", 3, 4, 4) == found[0]


@pytest.mark.parametrize(
    ("state", "running", "runs", "ended"),
    [
        ("RUNNING", 4, True, False),
        ("RUNNING", 3, False, False),
        ("RESTARTING", 0, False, False),
        ("CANCELLING", 4, False, False),
        ("FAILING", 0, False, False),
        ("CANCELED", 0, False, True),
        ("FAILED", 0, False, True),
        ("FINISHED", 0, False, True),
    ],
)
def test_a_job_runs_when_all_its_tasks_do(
    state: str, running: int, runs: bool, ended: bool
) -> None:
    """RUNNING alone says only that it was given its slots."""
    job = FlinkJob(JOB_ID, "errors", state, 1, running, 4)

    assert (runs, ended) == (job.runs, job.ended)


def test_the_live_job_of_a_name_is_the_newest_that_has_not_ended(
    manager: JobManager, rest: FlinkRest
) -> None:
    """Ended ones and those of other names do not count."""
    jobs = [
        overview_of(jid="new", state="CANCELED", **{"start-time": 4}),
        overview_of(jid="other", name="web", **{"start-time": 3}),
        overview_of(jid="live", state="RESTARTING", **{"start-time": 2}),
        overview_of(jid="older", **{"start-time": 1}),
    ]
    manager.answer("GET /jobs/overview", {"jobs": jobs})

    live = rest.live_job("errors")

    assert (live is not None and live.id, None) == ("live", rest.live_job("none"))


def test_without_a_leader_the_next_job_manager_is_asked(manager: JobManager) -> None:
    """503 is what one says that is starting; one that is down refuses."""
    manager.answer("GET /overview", {"taskmanagers": 2})
    with serving() as starting, nobody() as down:
        starting.answer("GET /overview", {"errors": ["Service temporarily unavailable"]}, 503)
        with asking(down, starting.url, manager.url) as rest:
            found = rest.overview()

        assert ({"taskmanagers": 2}, ["GET /overview"]) == (found, starting.requests())


def test_no_job_manager_at_all_is_one_line_with_all_addresses() -> None:
    """And what to do."""
    with serving() as starting, nobody() as down:
        starting.answer("GET /overview", {}, 503)
        with asking(starting.url, f"{down}/") as rest, pytest.raises(ServiceError) as caught:
            rest.overview()

        message = (
            "--flink_master: no JobManager answers (ConnectionError), "
            f"got '{starting.url}, {down}'. Start the cluster or correct the address."
        )
        assert message == str(caught.value)
        assert not isinstance(caught.value, FlinkRestError)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"errors": ["Job abc not found", "java.lang.X\n\tat a.b(C.java)"]}, "Job abc not found"),
        ({"errors": ["org.apache.X: first line\n\tat a.b(C.java)"]}, "org.apache.X: first line"),
        ({"errors": ["x" * 400]}, "x" * 300),
        ({"errors": []}, "HTTP status 404"),
        ({"error_code": 404, "message": "HTTP 404 Not Found"}, "HTTP status 404"),
        ([], "HTTP status 404"),
        (b"<html>", "HTTP status 404"),
    ],
)
def test_a_refusal_is_one_line_with_flinks_reason(
    manager: JobManager, rest: FlinkRest, body: object, reason: str
) -> None:
    """Not its stack trace; no other JobManager is asked."""
    manager.answer("GET /overview", body, 404)

    with pytest.raises(FlinkRestError) as caught:
        rest.overview()

    assert f"Flink: it refused GET /overview ({reason})." == str(caught.value)


def test_what_is_no_flink_is_told(manager: JobManager, rest: FlinkRest) -> None:
    """A web page at the address, for instance."""
    manager.answer("GET /overview", b"<html>It works!</html>")

    with pytest.raises(FlinkRestError) as caught:
        rest.overview()

    message = (
        f"--flink_master: no JobManager of Flink answers there, got {manager.url!r}. "
        "Correct the address."
    )
    assert message == str(caught.value)


HISTORY = {
    "root-exception": "the newest",
    "exceptionHistory": {
        "entries": [{"stacktrace": "second", "timestamp": 2}, {"stacktrace": "first"}],
        "truncated": False,
    },
}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (HISTORY, ["second", "first"]),
        ({"root-exception": "root", "exceptionHistory": {"entries": []}}, ["root"]),
        ({"root-exception": None, "exceptionHistory": {"entries": []}}, []),
        ({}, []),
    ],
)
def test_why_a_job_failed(
    manager: JobManager, rest: FlinkRest, body: object, expected: list[str]
) -> None:
    """Newest first; nothing where it did not."""
    manager.answer(f"GET /jobs/{JOB_ID}/exceptions", body)

    assert expected == rest.exceptions(JOB_ID)


def test_checkpoints_are_handed_on(manager: JobManager, rest: FlinkRest) -> None:
    """As Flink tells them."""
    manager.answer(f"GET /jobs/{JOB_ID}/checkpoints", {"counts": {"completed": 3}})

    assert {"counts": {"completed": 3}} == rest.checkpoints(JOB_ID)


def test_a_job_is_cancelled(manager: JobManager, rest: FlinkRest) -> None:
    """Flink answers 202, with `{}`."""
    manager.answer(f"PATCH /jobs/{JOB_ID}?mode=cancel", {}, 202)

    rest.cancel(JOB_ID)

    assert [f"PATCH /jobs/{JOB_ID}?mode=cancel"] == manager.requests()


def test_an_answer_without_a_body_is_one(manager: JobManager, rest: FlinkRest) -> None:
    """There is nothing to read in it."""
    manager.answer(f"PATCH /jobs/{JOB_ID}?mode=cancel", b"", 202)

    rest.cancel(JOB_ID)

    assert 1 == len(manager.asked)


@pytest.mark.parametrize("cancel_job", [False, True])
def test_a_savepoint_is_asked_for(manager: JobManager, rest: FlinkRest, cancel_job: bool) -> None:
    """With its folder, and whether the job is to end; the answer is an id to ask with."""
    request = f"POST /jobs/{JOB_ID}/savepoints"
    manager.answer(request, {"request-id": "f00"}, 202)

    found = rest.start_savepoint(JOB_ID, "s3://bucket/savepoints", cancel_job=cancel_job)

    body = {"target-directory": "s3://bucket/savepoints", "cancel-job": cancel_job}
    assert ("f00", [(request, body)]) == (found, manager.asked)


def test_a_savepoint_that_is_being_made_is_nowhere_yet(
    manager: JobManager, rest: FlinkRest
) -> None:
    """Its place is known when it is complete."""
    path = f"GET /jobs/{JOB_ID}/savepoints/f00"
    manager.answer(path, {"status": {"id": "IN_PROGRESS"}, "operation": None})
    assert rest.savepoint(JOB_ID, "f00") is None

    operation = {"location": "s3://bucket/savepoints/savepoint-1", "failure-cause": None}
    manager.answer(path, {"status": {"id": "COMPLETED"}, "operation": operation})
    assert "s3://bucket/savepoints/savepoint-1" == rest.savepoint(JOB_ID, "f00")


@pytest.mark.parametrize(
    ("trace", "reason"),
    [
        ("a.B: outer\n\tat x\nCaused by: c.D: disk full\n\tat y\n", "Caused by: c.D: disk full"),
        ("\na.B: alone\n\tat x\n", "a.B: alone"),
    ],
)
def test_a_savepoint_that_failed_says_why(
    manager: JobManager, rest: FlinkRest, trace: str, reason: str
) -> None:
    """The innermost cause, in one line."""
    failure = {"class": "a.B", "stack-trace": trace, "serialized-throwable": "x"}
    reply = {"status": {"id": "COMPLETED"}, "operation": {"failure-cause": failure}}
    manager.answer(f"GET /jobs/{JOB_ID}/savepoints/f00", reply)

    with pytest.raises(FlinkRestError) as caught:
        rest.savepoint(JOB_ID, "f00")

    assert f"savepoint: Flink could not make it ({reason})." == str(caught.value)


@pytest.mark.parametrize(
    ("urls", "trusted"),
    [
        (("http://127.0.0.1:1", "http://localhost:2"), False),
        (("http://[::1]:1",), False),
        (("http://127.0.0.1:1", "http://flink:2"), True),
    ],
)
def test_a_proxy_is_not_for_addresses_of_this_machine(urls: tuple[str, ...], trusted: bool) -> None:
    """For others it is what the environment says."""
    with asking(*urls) as rest:
        assert trusted == rest._session.trust_env


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("flink:8081", "http://flink:8081"),
        ("http://flink:8081/", "http://flink:8081"),
        ("https://flink.example:443", "https://flink.example:443"),
        ("http://[::1]:8081", "http://[::1]:8081"),
        ("127.0.0.1:8081", "http://127.0.0.1:8081"),
    ],
)
def test_addresses_of_a_job_manager(given: str, expected: str) -> None:
    """With or without the scheme."""
    assert expected == rest_url(given)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "flink",
        "http://flink",
        "flink:x",
        "flink:99999",
        "ftp://flink:1",
        "http://a:1/b",
        ":1",
        "[x]",
        "http://[",
    ],
)
def test_what_is_no_address_is_told(given: str) -> None:
    """One line that says how to write it."""
    with pytest.raises(UsageError) as caught:
        rest_url(given)

    message = (
        f"--flink_master: not the address of a JobManager, got {given!r}. "
        "Write it like http://host:8081, or [local]."
    )
    assert message == str(caught.value)


def test_a_password_in_the_address_is_not_shown() -> None:
    """Neither Flink's client nor ours would use it."""
    with pytest.raises(UsageError) as caught:
        rest_url("http://me:hush@flink:8081")

    message = (
        "--flink_master: a user in the address, which is not offered. "
        "Write it like http://host:8081."
    )
    assert message == str(caught.value)
