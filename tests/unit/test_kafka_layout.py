"""What is refused before any broker is made ready."""

from __future__ import annotations

import pathlib

import pytest

from pipeline.errors import ServiceError, UsageError
from pipeline.local.kafka_folder import BrokerState, ClusterState
from pipeline.local.kafka_layout import lay_out_kafka, load_prepared


def _used_folder(data_dir: pathlib.Path, brokers: int) -> None:
    ports = range(20001, 20001 + 2 * brokers, 2)
    states = tuple(BrokerState(port, port + 1, formatted=True) for port in ports)
    ClusterState("abc", states).write(data_dir)


@pytest.mark.parametrize(("there", "wanted"), [(1, 3), (3, 1)])
def test_a_folder_keeps_its_number_of_brokers(
    tmp_path: pathlib.Path, there: int, wanted: int
) -> None:
    """One cannot become three, nor the reverse; nothing is changed."""
    _used_folder(tmp_path, there)
    before = (tmp_path / "broker.json").read_bytes()

    with pytest.raises(UsageError) as caught:
        lay_out_kafka(tmp_path, brokers=wanted)

    assert (
        f"--brokers: the folder {str(tmp_path)!r} was made for {there}, got {wanted}. "
        "Choose another folder, or delete this one with its records."
    ) == str(caught.value)
    assert [before] == [path.read_bytes() for path in tmp_path.iterdir()]


@pytest.mark.parametrize("wanted", [0, 2, 4])
def test_one_broker_or_three(tmp_path: pathlib.Path, wanted: int) -> None:
    """Two could not spare one, more have no use on one machine."""
    with pytest.raises(UsageError) as caught:
        lay_out_kafka(tmp_path, brokers=wanted)

    assert f"--brokers: neither 1 nor 3, got {wanted}. Choose one of the two." == str(caught.value)


def test_a_folder_that_was_never_prepared(tmp_path: pathlib.Path) -> None:
    """There is nothing to run."""
    with pytest.raises(ServiceError) as caught:
        load_prepared(tmp_path)

    assert (
        f"kafka: nothing was ever started there, got {str(tmp_path)!r}. "
        "Start Kafka first, or choose its folder."
    ) == str(caught.value)
