"""What the driver of a live job is told, and what it tells, through files."""

from __future__ import annotations

import datetime
import json
import pathlib
import stat

import pytest

from pipeline.errors import ServiceError
from pipeline.job_spec import DriverStatus, JobSpec, absolute, kept_flags, live_parser
from pipeline.kafka_properties import read_properties_file

KAFKA = ["--kafka_bootstrap_servers=localhost:9092", "--input_topic=logs"]
JAAS = 'org.apache.kafka.common.security.plain.PlainLoginModule required password="hush \\"!";'


def kept(folder: pathlib.Path, *arguments: str, own_properties: bool = True) -> dict[str, object]:
    """The flags that are kept of a command line."""
    flags = live_parser("test").parse_args([*KAFKA, *arguments])
    return kept_flags(flags, folder, own_properties=own_properties)


def test_a_spec_is_read_back_as_it_was(tmp_path: pathlib.Path) -> None:
    """Times keep their zone and their microseconds."""
    time = datetime.datetime(2026, 11, 22, 10, 0, 0, 7, datetime.timezone.utc)
    spec = JobSpec({"job_name": "errors"}, ("http://a:1", "http://b:2"), time, "file:///chk-7")

    spec.write(tmp_path)

    assert spec == JobSpec.read(tmp_path)
    assert [tmp_path / "job.json"] == list(tmp_path.iterdir())


def test_without_a_spec_there_is_none(tmp_path: pathlib.Path) -> None:
    """No job was started from the folder."""
    assert JobSpec.read(tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "Expecting value: line 1 column 1 (char 0)"),
        ("[]", "list indices must be integers or slices, not str"),
        ("{}", "'not_before'"),
        ('{"not_before": "today"}', "Invalid isoformat string: 'today'"),
    ],
)
def test_a_damaged_spec_is_one_line(tmp_path: pathlib.Path, content: str, reason: str) -> None:
    """It is not taken for none, which would look like a job that nobody wants."""
    path = tmp_path / "job.json"
    if "today" in content:
        content = '{"flags": {}, "rest_urls": [], "not_before": "today", "restore_from": null}'
    path.write_text(content, encoding="ascii")

    with pytest.raises(ServiceError) as caught:
        JobSpec.read(tmp_path)

    message = (
        f"job: its file cannot be read ({reason}), got {str(path)!r}. "
        "Delete it and start the job again."
    )
    assert message == str(caught.value)


def test_flags_come_back_as_the_parser_gives_them(tmp_path: pathlib.Path) -> None:
    """Those that were not given keep their defaults, also in a version that has more of them."""
    arguments = [*KAFKA, "--slide_seconds=5", "--high_availability", "--output=kafka:counts"]
    flags = live_parser("test").parse_args(arguments)
    JobSpec(kept(tmp_path, *arguments[2:]), (), None, None).write(tmp_path)

    spec = JobSpec.read(tmp_path)

    assert spec is not None
    assert vars(flags) == vars(spec.namespace())


def test_what_holds_for_one_start_is_not_kept(tmp_path: pathlib.Path) -> None:
    """A driver that starts the job again must not begin anew each time."""
    flags = kept(tmp_path, "--fresh", "--from=/chk-7")

    assert set() == {"fresh", "restore_from", "attach"} & set(flags)


def test_paths_hold_in_every_folder(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver and later commands run elsewhere."""
    monkeypatch.chdir(tmp_path)
    arguments = ["--output=counts", "--checkpoint_dir=state", "--run_dir=run"]

    flags = kept(tmp_path, *arguments)

    expected = {
        "output": f"{tmp_path}/counts",
        "checkpoint_dir": f"{tmp_path}/state",
        "run_dir": f"{tmp_path}/run",
    }
    assert expected == {name: flags[name] for name in expected}


@pytest.mark.parametrize(
    "place", ["-", "kafka:counts", "s3://bucket/x", "file:///x", "file:/x", "/a/b"]
)
def test_what_is_no_relative_path_stays(place: str) -> None:
    """It means the same everywhere."""
    assert place == absolute(place)


def test_secrets_go_to_a_file_that_only_this_user_reads(tmp_path: pathlib.Path) -> None:
    """And into nothing else: the spec names the file."""
    config = tmp_path / "mine.properties"
    config.write_text("security.protocol=SASL_SSL\nclient.id=mine\n", encoding="ascii")
    arguments = (f"--consumer_config={config}", f"--consumer_property=sasl.jaas.config={JAAS}")

    flags = kept(tmp_path, *arguments, "--consumer_property=client.id=ours")

    path = tmp_path / "consumer.properties"
    expected = {"security.protocol": "SASL_SSL", "client.id": "ours", "sasl.jaas.config": JAAS}
    assert (str(path), None) == (flags["consumer_config"], flags["consumer_property"])
    assert expected == read_properties_file("--consumer_config", str(path))
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert "hush" not in json.dumps(flags)


def test_without_settings_there_is_no_file(tmp_path: pathlib.Path) -> None:
    """There is nothing to keep."""
    flags = kept(tmp_path)

    assert (None, []) == (flags["consumer_config"], list(tmp_path.iterdir()))


def test_on_a_cluster_of_the_users_settings_stay_where_they_are(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is on all hosts; it is named so that it is found from any folder."""
    monkeypatch.chdir(tmp_path)
    arguments = ("--consumer_config=my.properties", "--consumer_property=client.id=ours")

    flags = kept(tmp_path, *arguments, own_properties=False)

    expected = (f"{tmp_path}/my.properties", ["client.id=ours"], [])
    found = (flags["consumer_config"], flags["consumer_property"], list(tmp_path.iterdir()))
    assert expected == found


def test_the_status_of_a_driver_is_read_back(tmp_path: pathlib.Path) -> None:
    """And forgotten when another driver starts."""
    status = DriverStatus("running", "f00", "file:///chk-7", 3, None)
    status.write(tmp_path)
    assert status == DriverStatus.read(tmp_path)

    DriverStatus.remove(tmp_path)
    DriverStatus.remove(tmp_path)

    assert DriverStatus.read(tmp_path) is None


@pytest.mark.parametrize("content", ["", "[]", "7", "{}", '{"stage": "running", "else": 1}'])
def test_a_status_that_cannot_be_read_is_none(tmp_path: pathlib.Path, content: str) -> None:
    """The driver writes it again soon."""
    (tmp_path / "driver.json").write_text(content, encoding="ascii")

    assert DriverStatus.read(tmp_path) is None
