"""Which programs a Flink cluster is made of, and their settings; nothing is started."""

from __future__ import annotations

import json
import pathlib
import socket

import pytest

from pipeline.errors import ServiceError
from pipeline.local import flink_cluster
from pipeline.local.flink_cluster import FlinkCluster, prepare_cluster
from pipeline.local.java import Java


@pytest.fixture(autouse=True)
def _no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """Neither Java nor its modules are needed to say what is to be run."""
    java = Java(tmp_path / "jre", tmp_path / "jre" / "bin" / "java", 17, "JAVA_HOME")
    monkeypatch.setattr(flink_cluster, "find_java", lambda: java)
    jars = [pathlib.Path("/jars/flink.jar"), pathlib.Path("/jars/beam.jar")]
    monkeypatch.setattr(flink_cluster, "fetch_jars", lambda _: jars)


def prepare(folder: pathlib.Path, **options: object) -> FlinkCluster:
    """A cluster of one TaskManager without high availability, unless told otherwise."""
    chosen = {"high_availability": False, "task_managers": 1, **options}
    return prepare_cluster(folder, **chosen)  # type: ignore[arg-type]


def config(folder: pathlib.Path, name: str) -> dict[str, object]:
    """The settings of a program."""
    text = (folder / "conf" / name / "config.yaml").read_text(encoding="utf-8")
    lines = (line.split(": ", 1) for line in text.splitlines())
    return {key: json.loads(value) for key, value in lines}


def names(cluster: FlinkCluster) -> list[str]:
    """Of the programs, in the order of their start."""
    return [program.name for program in cluster.programs]


def ports(folder: pathlib.Path) -> list[int]:
    """All ports that the cluster keeps."""
    found: list[int] = json.loads((folder / "cluster.json").read_text("ascii"))["ports"]
    return found


def test_one_job_manager_and_the_task_managers_asked_for(tmp_path: pathlib.Path) -> None:
    """Without high availability that is all."""
    cluster = prepare(tmp_path, task_managers=2)

    assert ["jobmanager-1", "taskmanager-1", "taskmanager-2"] == names(cluster)
    assert (2, (f"http://127.0.0.1:{ports(tmp_path)[0]}",)) == (
        cluster.task_managers,
        cluster.rest_urls,
    )
    scratch = {program.name: program.scratch_dir for program in cluster.programs}
    assert {name: tmp_path / "tmp" / name for name in scratch} == scratch
    for name, folder in scratch.items():
        assert str(folder) == config(tmp_path, name)["io.tmp.dirs"]


def test_high_availability_is_zookeeper_and_two_job_managers(tmp_path: pathlib.Path) -> None:
    """ZooKeeper first; the two have ports of their own."""
    cluster = prepare(tmp_path, high_availability=True, task_managers=2)

    expected = ["zookeeper", "jobmanager-1", "jobmanager-2", "taskmanager-1", "taskmanager-2"]
    assert expected == names(cluster)
    first, second = config(tmp_path, "jobmanager-1"), config(tmp_path, "jobmanager-2")
    own = ("rest.port", "rest.bind-port", "jobmanager.rpc.port", "blob.server.port")
    assert {*own, "io.tmp.dirs"} == {key for key in first if first[key] != second[key]}
    assert 9 == len(set(ports(tmp_path)))
    assert cluster.rest_urls == tuple(f"http://127.0.0.1:{ports(tmp_path)[at]}" for at in (0, 3))


def test_all_follow_the_zookeeper_that_is_started(tmp_path: pathlib.Path) -> None:
    """On loopback, with its data in the folder."""
    prepare(tmp_path, high_availability=True)

    client, peer, election = ports(tmp_path)[6:]
    text = (tmp_path / "zookeeper" / "zoo.cfg").read_text(encoding="utf-8")
    zookeeper = dict(line.split("=", 1) for line in text.splitlines())
    expected = {
        "dataDir": str(tmp_path / "zookeeper" / "data"),
        "clientPort": str(client),
        "clientPortAddress": "127.0.0.1",
        "server.1": f"127.0.0.1:{peer}:{election}",
        "admin.enableServer": "false",
    }
    assert expected == {key: zookeeper[key] for key in expected}
    for name in ("jobmanager-1", "jobmanager-2", "taskmanager-1"):
        settings = config(tmp_path, name)
        assert f"127.0.0.1:{client}" == settings["high-availability.zookeeper.quorum"]
        assert (tmp_path / "ha").as_uri() == settings["high-availability.storageDir"]


@pytest.mark.parametrize("high_availability", [False, True])
def test_nothing_listens_beyond_this_machine(
    tmp_path: pathlib.Path, high_availability: bool
) -> None:
    """Every host and address that a program is told is loopback; nobody uploads jars."""
    cluster = prepare(tmp_path, high_availability=high_availability)

    for name in names(cluster):
        if name != "zookeeper":
            settings = config(tmp_path, name)
            hosts = {value for key, value in settings.items() if key.endswith(("host", "address"))}
            assert (name, {"127.0.0.1"}) == (name, hosts)
            assert settings["web.submit.enable"] is False
    job_manager = next(one for one in cluster.programs if one.name == "jobmanager-1")
    # The address that a leader publishes.
    assert high_availability == (job_manager.argv[-2:] == ("--host", "127.0.0.1"))


def test_task_managers_find_the_job_manager(tmp_path: pathlib.Path) -> None:
    """By the ports that it was told."""
    prepare(tmp_path)

    job_manager, task_manager = config(tmp_path, "jobmanager-1"), config(tmp_path, "taskmanager-1")

    keys = ("jobmanager.rpc.address", "jobmanager.rpc.port", "rest.port")
    assert [job_manager[key] for key in keys] == [task_manager[key] for key in keys]
    assert flink_cluster.SLOTS == task_manager["taskmanager.numberOfTaskSlots"]


def test_programs_run_on_the_java_found_with_the_modules_fetched(tmp_path: pathlib.Path) -> None:
    """And everything they start does, too."""
    for program in prepare(tmp_path, high_availability=True).programs:
        at = program.argv.index("-cp")
        assert str(tmp_path / "jre" / "bin" / "java") == program.argv[0]
        assert "/jars/flink.jar:/jars/beam.jar" == program.argv[at + 1]
        assert str(tmp_path / "jre") == program.environment["JAVA_HOME"]


def test_more_settings_reach_all_of_flinks_programs(tmp_path: pathlib.Path) -> None:
    """A metrics reporter, for instance."""
    prepare(tmp_path, settings={"metrics.reporters": "prometheus"})

    for name in ("jobmanager-1", "taskmanager-1"):
        assert "prometheus" == config(tmp_path, name)["metrics.reporters"]


def test_ports_stay_from_start_to_start(tmp_path: pathlib.Path) -> None:
    """Also when high availability comes later, so that addresses go on being true."""
    before = prepare(tmp_path)
    kept = ports(tmp_path)

    after = prepare(tmp_path, high_availability=True)

    assert kept == ports(tmp_path)
    assert before.rest_urls[0] == after.rest_urls[0]


def test_a_port_that_was_taken_meanwhile_is_given_up(tmp_path: pathlib.Path) -> None:
    """All of them are then chosen anew."""
    prepare(tmp_path)
    with socket.create_server(("127.0.0.1", ports(tmp_path)[4])) as taken:
        port = taken.getsockname()[1]

        prepare(tmp_path)

        assert port not in ports(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"ports": 7}', '{"ports": ["x"]}'])
def test_a_damaged_file_of_ports_is_written_anew(tmp_path: pathlib.Path, content: str) -> None:
    """There is nothing in it that is worth a stop."""
    (tmp_path / "cluster.json").write_text(content, encoding="ascii")

    prepare(tmp_path)

    assert 9 == len(set(ports(tmp_path)))


def test_the_web_ui_is_at_8081_where_that_is_free(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Flink's users look for it."""
    monkeypatch.setattr(flink_cluster, "is_free", lambda _: True)
    assert ("http://127.0.0.1:8081",) == prepare(tmp_path / "free").rest_urls

    monkeypatch.setattr(flink_cluster, "is_free", lambda port: port != 8081)
    assert ("http://127.0.0.1:8081",) != prepare(tmp_path / "taken").rest_urls


def test_the_port_asked_for_is_taken_and_no_other_has_it(tmp_path: pathlib.Path) -> None:
    """Even if another service of the cluster had it."""
    prepare(tmp_path)
    for wanted in (ports(tmp_path)[1], ports(tmp_path)[8], ports(tmp_path)[0]):
        cluster = prepare(tmp_path, rest_port=wanted)

        assert (f"http://127.0.0.1:{wanted}",) == cluster.rest_urls
        assert 9 == len(set(ports(tmp_path)))


def test_a_port_asked_for_that_is_taken_is_one_line(tmp_path: pathlib.Path) -> None:
    """Before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServiceError) as caught:
            prepare(tmp_path, rest_port=port)

    message = (
        f"--rest_port: something listens there already, got {port}. "
        "Stop that program or choose another port."
    )
    assert message == str(caught.value)


def test_a_port_that_this_user_may_not_use_is_one_line(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those below 1024, mostly."""

    def is_free(port: int) -> bool:
        if port < 1024:
            raise PermissionError
        return True

    monkeypatch.setattr(flink_cluster, "is_free", is_free)
    with pytest.raises(ServiceError) as caught:
        prepare(tmp_path, rest_port=80)

    message = "--rest_port: this user may not use it, got 80. Choose one above 1023."
    assert message == str(caught.value)
