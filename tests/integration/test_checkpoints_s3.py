"""Which checkpoint a job goes on from, in an S3 store: moto's server, asked over HTTP."""

from __future__ import annotations

import http.server
import logging
import pathlib
import re
import threading
from collections.abc import Callable, Iterator

import pytest
import requests
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer
from pyarrow import fs

from pipeline.checkpoints import Checkpoint, CheckpointStore
from pipeline.errors import ErrorWindowsError
from pipeline.job_record import JobRecord
from pipeline.s3_settings import S3Settings

BUCKET = "checkpoints"
OLD, NEW = "0" * 31 + "1", "f" * 31 + "2"
MAGIC = bytes.fromhex("4960672d")
KEY_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
OTHER_VARIABLES = (
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
)
Put = Callable[..., None]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of a store that is empty at first."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def _environment(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> Iterator[None]:
    """Made-up keys, none of the user's own settings, and an empty bucket."""
    for name in KEY_VARIABLES:
        monkeypatch.setenv(name, "made-up")
    for name in OTHER_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    requests.put(f"{endpoint}/{BUCKET}", timeout=10).raise_for_status()
    yield
    requests.post(f"{endpoint}/moto-api/reset", timeout=10).raise_for_status()


@pytest.fixture
def put(endpoint: str) -> Put:
    """Writes an object: `put(key, content=<as of a completed checkpoint>)`."""
    address = endpoint.removeprefix("http://")
    store = fs.S3FileSystem(endpoint_override=address, scheme="http", region="us-east-1")

    def write(key: str, content: bytes = MAGIC + b"...") -> None:
        with store.open_output_stream(f"{BUCKET}/{key}") as file:
            file.write(content)

    return write


@pytest.fixture
def store(endpoint: str) -> CheckpointStore:
    """What `--checkpoint_dir=s3://checkpoints/state` is."""
    return CheckpointStore.open(f"s3://{BUCKET}/state", S3Settings(endpoint))


@pytest.fixture
def asked(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Which requests came to the store since the last call, a method and a path each."""
    caplog.set_level(logging.INFO, logger="werkzeug")

    def since() -> list[str]:
        lines = [record.getMessage() for record in caplog.records if record.name == "werkzeug"]
        caplog.clear()
        return [match[1] for line in lines if (match := re.search(r"([A-Z]+ /\S*) HTTP", line))]

    return since


def places(found: list[Checkpoint]) -> list[str]:
    """Addresses of checkpoints below the job, in order."""
    return ["/".join(each.uri.split("/")[-2:]) for each in found]


def test_newest_first(put: Put, store: CheckpointStore) -> None:
    """As in a file system; what is written within one second goes by number."""
    put(f"state/errors/{OLD}/chk-9/_metadata")
    put(f"state/errors/{OLD}/chk-10/_metadata")
    put(f"state/errors/{OLD}/chk-11/not-yet")
    put(f"state/errors/{OLD}/chk-12/_metadata", b"")
    put(f"state/errors/{OLD}/shared/chk-13/_metadata")
    put(f"state/errors/{OLD}/taskowned/x")
    put("state/errors/job.json")
    put("state/errors/_metadata")
    put(f"state/errors-2/{NEW}/chk-90/_metadata")
    found = store.completed("errors")
    expected = [f"s3://{BUCKET}/state/errors/{OLD}/chk-{number}" for number in (10, 9)]
    assert expected == [each.uri for each in found]
    assert [("checkpoint", OLD)] * 2 == [(each.kind, each.flink_job_id) for each in found]


def test_savepoints(put: Put, store: CheckpointStore) -> None:
    """They are found beside the checkpoints, also in a job whose name has separators."""
    put("state/a%2Fb/savepoints/savepoint-0000-1f/_metadata")
    [found] = store.completed("a/b")
    assert f"s3://{BUCKET}/state/a%2Fb/savepoints/savepoint-0000-1f" == found.uri
    assert ("savepoint", None, None) == (found.kind, found.number, found.flink_job_id)
    assert found == store.named(f"{found.uri}/_metadata")


def test_nothing_there(store: CheckpointStore) -> None:
    """A bucket without the job's folder is a job that starts new."""
    assert [] == store.completed("errors")
    assert JobRecord.read(store, "errors") is None


def test_what_is_asked(put: Put, store: CheckpointStore, asked: Callable[[], list[str]]) -> None:
    """All of a job is one listing; one Flink job is one listing and a look at each checkpoint."""
    for number in range(5):
        put(f"state/errors/{number:032x}/chk-{number}/_metadata")
        put(f"state/errors/{number:032x}/shared/x")
    asked()
    assert 5 == len(store.completed("errors"))
    listing = f"GET /{BUCKET}?%slist-type=2&max-keys=1000&prefix=state/errors/%s"
    assert [listing % ("", "")] == asked()
    found = store.completed("errors", flink_job_id=f"{3:032x}")
    assert [f"{3:032x}/chk-3"] == places(found)
    expected = [
        listing % ("delimiter=/&", f"{3:032x}/"),
        f"HEAD /{BUCKET}/state/errors/{3:032x}/chk-3/_metadata",
    ]
    assert expected == asked()


def test_more_than_one_page(store: CheckpointStore, asked: Callable[[], list[str]]) -> None:
    """A store answers with 1000 keys at a time; all of them are seen."""
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    for number in range(1001):
        backend.put_object(BUCKET, f"state/errors/{number:032x}/chk-1/_metadata", MAGIC)
    assert (1001, 2) == (len(store.completed("errors")), len(asked()))


@pytest.mark.parametrize("written", ["{}", "{}/", "{}/_metadata", "s3a:{}"])
def test_named(put: Put, store: CheckpointStore, written: str) -> None:
    """`--from` takes the folder or the file in it, also with Hadoop's scheme."""
    put(f"state/errors/{OLD}/chk-7/_metadata")
    uri = f"s3://{BUCKET}/state/errors/{OLD}/chk-7"
    given = written.format(uri).replace("s3a:s3:", "s3a:")
    assert store.completed("errors") == [store.named(given)]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (f"errors/{OLD}/chk-8", "no such checkpoint"),
        (f"errors/{OLD}", "no completed checkpoint: no _metadata in it"),
        (f"errors/{NEW}/chk-1", "no such checkpoint"),
        ("errors", "no completed checkpoint: no _metadata in it"),
        (f"errors/{OLD}/chk-6", "_metadata there is not one of Flink"),
    ],
)
def test_named_but_not_there(put: Put, store: CheckpointStore, given: str, problem: str) -> None:
    """The message says what was found, and what lies near."""
    put(f"state/errors/{OLD}/chk-6/_metadata", b"")
    put(f"state/errors/{OLD}/chk-7/_metadata")
    uri = f"s3://{BUCKET}/state/{given}"
    with pytest.raises(ErrorWindowsError) as caught:
        store.named(uri)
    near = f"s3://{BUCKET}/state/errors/{OLD}/chk-7"
    expected = f"--from: {problem}, got {uri!r}. Newest near it: {near}."
    assert (2, expected) == (caught.value.exit_code, str(caught.value))


def test_the_record(store: CheckpointStore) -> None:
    """What the checkpoints were made with is kept beside them."""
    record = JobRecord(30, 10, "2.70.0", "2.77.0", 128)
    record.write(store, "errors")
    assert record == JobRecord.read(store, "errors")


def test_the_endpoint_of_the_environment(
    endpoint: str, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without settings the store is where AWS's own variables say."""
    put(f"errors/{OLD}/chk-1/_metadata")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert [f"{OLD}/chk-1"] == places(CheckpointStore.open(f"s3://{BUCKET}").completed("errors"))


class _Refusing(http.server.BaseHTTPRequestHandler):
    """Answers as AWS does to a request without a signature; moto's server cannot."""

    def do_GET(self) -> None:
        """Refuses."""
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing is logged."""


def _completed_fails(store: CheckpointStore) -> tuple[int, str]:
    with pytest.raises(ErrorWindowsError) as caught:
        store.completed("errors")
    return caught.value.exit_code, str(caught.value)


def test_no_such_bucket(endpoint: str) -> None:
    """It is not taken for an empty one, which would start the job new."""
    store = CheckpointStore.open("s3://nowhere", S3Settings(endpoint))
    expected = (
        f"--checkpoint_dir: no such bucket at {endpoint}, got 's3://nowhere/errors'. "
        "Create it, or check its name."
    )
    assert (2, expected) == _completed_fails(store)
    with pytest.raises(ErrorWindowsError) as caught:
        JobRecord(30, 10, "2.70.0", "2.77.0", 128).write(store, "errors")
    assert expected.replace("errors'", "errors/job.json'") == str(caught.value)


def test_nobody_answers() -> None:
    """A store that is down is no empty store either."""
    # Port 1 is reserved and unused.
    store = CheckpointStore.open(f"s3://{BUCKET}", S3Settings("http://127.0.0.1:1"))
    expected = (
        "--checkpoint_dir: no S3 store answers at http://127.0.0.1:1 (could not connect to server)"
        f", got 's3://{BUCKET}/errors'. Check that it runs, and AWS_ENDPOINT_URL."
    )
    assert (1, expected) == _completed_fails(store)


def test_wrong_credentials(endpoint: str, store: CheckpointStore) -> None:
    """Keys that the store does not know."""
    answer = requests.post(f"{endpoint}/moto-api/reset-auth", data=b"0", timeout=10)
    before = answer.json()["PREVIOUS_INITIAL_NO_AUTH_ACTION_COUNT"]
    try:
        failure = _completed_fails(store)
    finally:
        requests.post(f"{endpoint}/moto-api/reset-auth", data=before.encode(), timeout=10)
    expected = (
        f"--checkpoint_dir: {endpoint} refuses access (invalid access key id), got "
        f"'s3://{BUCKET}/state/errors'. Check the credentials in the environment and what they "
        "allow."
    )
    assert (1, expected) == failure


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without keys the SDK asks as nobody, which stores refuse; the message names the variables."""
    for name in KEY_VARIABLES:
        monkeypatch.delenv(name)
    with http.server.HTTPServer(("127.0.0.1", 0), _Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        try:
            failure = _completed_fails(CheckpointStore.open(f"s3://{BUCKET}", S3Settings(address)))
        finally:
            server.shutdown()
    expected = (
        f"--checkpoint_dir: {address} refuses access (access denied), got 's3://{BUCKET}/errors'. "
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set."
    )
    assert (1, expected) == failure


def test_nothing_secret_is_shown(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the settings nor the store have credentials in their text."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    settings = S3Settings(endpoint)
    store = CheckpointStore.open(f"s3://{BUCKET}", settings)
    assert f"S3Settings(endpoint={endpoint!r})" == repr(settings)
    assert f"CheckpointStore('s3://{BUCKET}')" == repr(store)


@pytest.mark.parametrize(
    "address",
    [
        "localhost:9000",
        "ftp://x",
        "http://",
        "http://user:secret@x",
        "http://x/bucket",
        "http://x:y",
    ],
)
def test_addresses_that_are_none(address: str) -> None:
    """They are refused at once, and not shown: there may be a password in them."""
    with pytest.raises(ErrorWindowsError) as caught:
        S3Settings(address)
    expected = (
        "S3 endpoint: not http://host:port or https://host:port. Set AWS_ENDPOINT_URL to the "
        "store's address, or unset it for AWS."
    )
    assert expected == str(caught.value)
