"""What comes before a live job is submitted."""

from __future__ import annotations

import datetime
import pathlib

import pytest

from pipeline.errors import ServiceError, UsageError
from pipeline.flink_rest import FlinkJob, FlinkRest
from pipeline.job_spec import JobSpec, live_parser
from pipeline.job_start import prepare_job, prepare_output, require_no_live_job
from pipeline.live_config import live_config_from_flags

KAFKA = ["--kafka_bootstrap_servers=localhost:9092", "--input_topic=logs"]
URLS = ["http://127.0.0.1:8081"]


def prepare(folder: pathlib.Path, *arguments: str) -> JobSpec:
    """What is kept of a start."""
    return prepare_job(folder, live_parser("test").parse_args([*KAFKA, *arguments]), URLS)


def now() -> datetime.datetime:
    """The time of day."""
    return datetime.datetime.now(datetime.timezone.utc)


def test_a_start_is_kept_for_the_driver(tmp_path: pathlib.Path) -> None:
    """Its folder is made; all checkpoints count."""
    spec = prepare(tmp_path / "run" / "flink", "--job_name=web")

    assert spec == JobSpec.read(tmp_path / "run" / "flink")
    assert ("web", tuple(URLS), None, None) == (
        spec.flags["job_name"],
        spec.rest_urls,
        spec.not_before,
        spec.restore_from,
    )


def test_a_fresh_start_leaves_older_checkpoints_behind_for_good(tmp_path: pathlib.Path) -> None:
    """Also for starts that come after it, until the next fresh one."""
    before = now()
    fresh = prepare(tmp_path, "--fresh")
    after = now()
    again = prepare(tmp_path)
    freshest = prepare(tmp_path, "--fresh")

    assert fresh.not_before is not None
    assert freshest.not_before is not None
    assert before <= fresh.not_before <= after <= freshest.not_before
    assert fresh.not_before == again.not_before


def test_a_start_from_a_checkpoint_is_kept_until_the_job_has_one_of_its_own(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second start right after the first must not begin new."""
    monkeypatch.chdir(tmp_path)
    first = prepare(tmp_path / "run", "--from=savepoints/savepoint-1")
    again = prepare(tmp_path / "run")

    assert first.not_before is not None
    assert (f"{tmp_path}/savepoints/savepoint-1", first) == (first.restore_from, again)
    assert prepare(tmp_path / "run", "--fresh").restore_from is None


@pytest.mark.parametrize("place", ["s3://bucket/savepoint-1", "file:///savepoint-1"])
def test_an_address_of_a_checkpoint_stays(tmp_path: pathlib.Path, place: str) -> None:
    """It is no path of this folder."""
    assert place == prepare(tmp_path, f"--from={place}").restore_from


def test_another_job_has_its_own_history(tmp_path: pathlib.Path) -> None:
    """What one left behind says nothing of the other's checkpoints."""
    prepare(tmp_path, "--fresh")

    other = prepare(tmp_path, "--job_name=web")

    assert (None, None) == (other.not_before, other.restore_from)


def test_a_folder_for_results_is_made(tmp_path: pathlib.Path) -> None:
    """With all around it; one that is there is taken."""
    place = tmp_path / "a" / "b"
    flags = live_parser("test").parse_args([*KAFKA, f"--output={place}"])
    config = live_config_from_flags(flags)

    prepare_output(config)
    prepare_output(config)

    assert place.is_dir()


def test_a_folder_for_results_that_cannot_be_made_is_one_line(tmp_path: pathlib.Path) -> None:
    """Before the job is started."""
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "counts"
    flags = live_parser("test").parse_args([*KAFKA, f"--output={place}"])

    with pytest.raises(UsageError) as caught:
        prepare_output(live_config_from_flags(flags))

    message = (
        f"--output: its folder cannot be made (Not a directory), got {str(place)!r}. "
        "Choose another place."
    )
    assert message == str(caught.value)


class _Rest(FlinkRest):
    """A cluster with one job."""

    def __init__(self, state: str) -> None:
        super().__init__(URLS)
        self._job = FlinkJob("f00", "errors", state, 1, 4, 4)

    def jobs(self) -> list[FlinkJob]:
        """The job."""
        return [self._job]


def test_a_second_job_of_a_name_is_refused() -> None:
    """Both would write the same results."""
    with pytest.raises(UsageError) as caught:
        require_no_live_job(_Rest("RESTARTING"), "errors")

    message = (
        "--job_name: a job of this name is RESTARTING as f00, got 'errors'. To change it: "
        "`run_flink.sh savepoint --cancel`, then start it again; or choose another name."
    )
    assert message == str(caught.value)


@pytest.mark.parametrize(("state", "name"), [("CANCELED", "errors"), ("RUNNING", "web")])
def test_ended_jobs_and_other_names_are_no_obstacle(state: str, name: str) -> None:
    """Only a live one of the same name is."""
    require_no_live_job(_Rest(state), name)


def test_a_damaged_spec_is_not_overwritten(tmp_path: pathlib.Path) -> None:
    """It may say which checkpoints are left behind."""
    (tmp_path / "job.json").write_text("{", encoding="ascii")

    with pytest.raises(ServiceError):
        prepare(tmp_path)

    assert "{" == (tmp_path / "job.json").read_text(encoding="ascii")
