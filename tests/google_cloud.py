"""A Google Cloud on this machine: what Beam uses of the REST APIs of Dataflow and Cloud Storage.

It answers on loopback in the process of the test, keeps what it is given, and lets a test say how
a job goes on. Clients reach it by Beam's own options (`flags`) and by the variable with which
Google's storage client is pointed at an emulator.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import http.server
import json
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import google_crc32c
from apache_beam.portability.api import beam_runner_api_pb2
from google.cloud import dataflow

PROJECT, REGION, BUCKET = "acme-logs", "europe-west4", "acme-staging"
ACTIVE = tuple(
    f"JOB_STATE_{state}" for state in ("PENDING", "QUEUED", "RUNNING", "DRAINING", "CANCELLING")
)
_JOBS = re.compile(
    r"/v1b3/projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)/jobs"
    r"(?:/(?P<id>[^/]+)(?P<messages>/messages)?)?"
)
_OBJECTS = re.compile(r"/storage/v1/b/(?P<bucket>[^/]+)(?:/o/(?P<name>.+))?")
_UPLOAD = re.compile(r"/upload/storage/v1/b/(?P<bucket>[^/]+)/o")
_RANGE = re.compile(r"bytes (?:\d+-\d+|\*)/(\d+|\*)")


@dataclasses.dataclass
class Job:
    """A job as the service keeps it.

    Attributes:
      request: the JSON that made it.
      id: the service's.
      state: now.
      coming: states it goes through, one at every look at it.
      messages: (importance, text), oldest first.
      replaced_by: the job that updated it.
    """

    request: dict[str, Any]
    id: str
    state: str = "JOB_STATE_RUNNING"
    coming: list[str] = dataclasses.field(default_factory=list)
    messages: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    replaced_by: str | None = None

    def to_json(self) -> dict[str, Any]:
        """What the service tells of it."""
        told = {
            "id": self.id,
            "projectId": PROJECT,
            "location": REGION,
            "name": self.request["name"],
            "type": self.request["type"],
            "clientRequestId": self.request["clientRequestId"],
            "currentState": self.state,
        }
        if self.replaced_by is not None:
            told["replacedByJobId"] = self.replaced_by
        return told


class _RefusedError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class GoogleCloud:
    """One project with one bucket, and jobs in one region.

    Attributes:
      jobs: every job, oldest first.
      objects: what is in the bucket, by name.
      requests: (method, path) of every request.
      on_create: a test's word on a new job before it is answered.
      on_look: the same before a look at a job is answered.
    """

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.objects: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.on_create: Callable[[Job], None] = lambda _: None
        self.on_look: Callable[[Job], None] = lambda _: None
        self._uploads: dict[str, bytearray] = {}
        self._port = 0

    @property
    def url(self) -> str:
        """Where it answers; Beam takes REST for this name only."""
        return f"http://localhost:{self._port}"

    @property
    def flags(self) -> list[str]:
        """Beam's flags for a job here."""
        return [
            "--runner=DataflowRunner",
            f"--project={PROJECT}",
            f"--region={REGION}",
            f"--temp_location=gs://{BUCKET}/temp",
            f"--dataflow_endpoint={self.url}",
            "--no_auth",
        ]

    def staged(self) -> dict[str, bytes]:
        """What is in the bucket, by its name without folders."""
        return {name.rpartition("/")[2]: content for name, content in self.objects.items()}

    def graph(self) -> beam_runner_api_pb2.Pipeline:
        """The job graph that was staged."""
        return beam_runner_api_pb2.Pipeline.FromString(self.staged()["pipeline.pb"])

    @contextlib.contextmanager
    def serving(self) -> Iterator[GoogleCloud]:
        """Answers until the block ends."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        self._port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def answer(
        self, method: str, path: str, query: dict[str, str], headers: Any, body: bytes
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers and JSON of the answer to a request."""
        if match := _JOBS.fullmatch(path):
            return 200, {}, self._dataflow(method, match, query, body)
        if match := _UPLOAD.fullmatch(path):
            return self._upload(method, match["bucket"], query, headers, body)
        if match := _OBJECTS.fullmatch(path):
            return 200, {}, self._storage(match)
        raise _RefusedError(404, f"{method} {path} is not known here")

    def _dataflow(
        self, method: str, match: re.Match[str], query: dict[str, str], body: bytes
    ) -> dict[str, Any]:
        if match["project"] != PROJECT:
            raise _RefusedError(403, f"no permission on project {match['project']}")
        if match["region"] != REGION:
            raise _RefusedError(400, f"unknown region {match['region']}")
        if match["id"] is None:
            return self._create(json.loads(body)) if method == "POST" else self._list(query)
        found = [job for job in self.jobs if job.id == match["id"]]
        if not found:
            raise _RefusedError(404, f"no job {match['id']}")
        [job] = found
        if match["messages"]:
            return self._messages(job)
        if method == "PUT":
            assert dataflow.JobState.JOB_STATE_CANCELLED == json.loads(body)["requestedState"]
            job.state, job.coming = "JOB_STATE_CANCELLING", ["JOB_STATE_CANCELLED"]
            return job.to_json()
        self.on_look(job)
        if job.coming:
            job.state = job.coming.pop(0)
        return job.to_json()

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        active = [
            job
            for job in self.jobs
            if job.state in ACTIVE and job.request["name"] == request["name"]
        ]
        replaced = request.get("replaceJobId")
        if active and replaced != active[0].id:
            raise _RefusedError(409, f"there is an active job named {request['name']}")
        job = Job(request, id=f"2026-11-22_02_00_00-{len(self.jobs) + 1}")
        self.jobs.append(job)
        if replaced is not None:
            active[0].state, active[0].replaced_by = "JOB_STATE_UPDATED", job.id
        self.on_create(job)
        return job.to_json()

    def _list(self, query: dict[str, str]) -> dict[str, Any]:
        # One job a page: whoever looks for a job has to turn pages.
        found = [job for job in self.jobs if query.get("name") in (None, job.request["name"])]
        if query.get("filter") in ("ACTIVE", "3"):
            found = [job for job in found if job.state in ACTIVE]
        place = int(query.get("pageToken") or 0)
        page = {"jobs": [job.to_json() for job in found[place : place + 1]]}
        return page | ({"nextPageToken": str(place + 1)} if len(found) > place + 1 else {})

    @staticmethod
    def _messages(job: Job) -> dict[str, Any]:
        return {
            "jobMessages": [
                {
                    "id": str(number),
                    "time": f"2026-11-22T10:00:{number:02}Z",
                    "messageText": text,
                    "messageImportance": f"JOB_MESSAGE_{importance}",
                }
                for number, (importance, text) in enumerate(job.messages)
            ]
        }

    def _storage(self, match: re.Match[str]) -> dict[str, Any]:
        self._require_bucket(match["bucket"])
        if match["name"] is None:
            return {"kind": "storage#bucket", "name": BUCKET, "location": REGION.upper()}
        name = urllib.parse.unquote(match["name"])
        if name not in self.objects:
            raise _RefusedError(404, f"no object {name}")
        return self._described(name)

    def _upload(
        self, method: str, bucket: str, query: dict[str, str], headers: Any, body: bytes
    ) -> tuple[int, dict[str, str], Any]:
        self._require_bucket(bucket)
        if method == "POST":
            name = query.get("name") or json.loads(body)["name"]
            place = urllib.parse.urlencode({"uploadType": "resumable", "upload_id": name})
            self._uploads[name] = bytearray()
            return 200, {"Location": f"{self.url}/upload/storage/v1/b/{bucket}/o?{place}"}, {}
        name = query["upload_id"]
        received = self._uploads[name]
        received += body
        match = _RANGE.fullmatch(headers["Content-Range"])
        assert match is not None
        if match[1] == "*" or int(match[1]) > len(received):
            return 308, {"Range": f"bytes=0-{len(received) - 1}"}, {}
        self.objects[name] = bytes(self._uploads.pop(name))
        return 200, {}, self._described(name)

    def _described(self, name: str) -> dict[str, Any]:
        content = self.objects[name]
        checksum = google_crc32c.Checksum(content).digest()
        return {
            "kind": "storage#object",
            "bucket": BUCKET,
            "name": name,
            "size": str(len(content)),
            "generation": "1",
            "crc32c": base64.b64encode(checksum).decode("ascii"),
        }

    @staticmethod
    def _require_bucket(bucket: str) -> None:
        if bucket == "acme-of-others":
            raise _RefusedError(403, f"no permission on bucket {bucket}")
        if bucket != BUCKET:
            raise _RefusedError(404, f"no bucket {bucket}")


def _handler(cloud: GoogleCloud) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            url = urllib.parse.urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            cloud.requests.append((self.command, url.path))
            query = dict(urllib.parse.parse_qsl(url.query))
            try:
                status, headers, told = cloud.answer(
                    self.command, url.path, query, self.headers, body
                )
            except _RefusedError as error:
                status, headers = error.code, {}
                told = {"error": {"code": error.code, "message": str(error), "errors": []}}
            content = json.dumps(told).encode("utf-8")
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _answer

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Says nothing."""

    return Handler
