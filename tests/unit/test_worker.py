"""The command that a TaskManager starts, against a real provision service."""

from __future__ import annotations

import concurrent.futures
import json
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from apache_beam.portability.api import (
    beam_provision_api_pb2,
    beam_provision_api_pb2_grpc,
    endpoints_pb2,
)
from google.protobuf import json_format, struct_pb2, text_format

from pipeline import worker


class Provision(beam_provision_api_pb2_grpc.ProvisionServiceServicer):
    """Answers as a TaskManager does.

    Attributes:
      info: what it answers.
      workers: ids of who asked.
    """

    def __init__(self) -> None:
        options = json_format.ParseDict({"beam:option:job_name:v1": "errors"}, struct_pb2.Struct())
        self.info = beam_provision_api_pb2.ProvisionInfo(
            pipeline_options=options,
            control_endpoint=endpoints_pb2.ApiServiceDescriptor(url="localhost:1"),
            logging_endpoint=endpoints_pb2.ApiServiceDescriptor(url="localhost:2"),
            runner_capabilities=["beam:protocol:control_response_elements_embedding:v1", "b"],
        )
        self.workers: list[str] = []

    def GetProvisionInfo(self, _: object, context: Any) -> object:
        """The one call of the protocol."""
        self.workers += [
            value for key, value in context.invocation_metadata() if key == "worker_id"
        ]
        return beam_provision_api_pb2.GetProvisionInfoResponse(info=self.info)


class Became(Exception):
    """In the place of another program: its path, arguments and environment."""


@pytest.fixture
def provision(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Iterator[Provision]:
    """A service at $ENDPOINT; the worker's files go to the test's folder."""

    def execve(path: str, command: list[str], environment: dict[str, str]) -> None:
        raise Became(path, command, environment)

    monkeypatch.setattr(worker.os, "execve", execve)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # A proxy that nobody answers for: loopback must be reached without it.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    provision = Provision()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    beam_provision_api_pb2_grpc.add_ProvisionServiceServicer_to_server(provision, server)
    monkeypatch.setenv("ENDPOINT", f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    server.start()
    yield provision
    server.stop(None).wait()


def become(*arguments: str) -> tuple[str, list[str], dict[str, str]]:
    """What the worker becomes."""
    with pytest.raises(Became) as caught:
        worker.main([*arguments, f"--provision_endpoint={os.environ['ENDPOINT']}"])
    path, command, environment = caught.value.args
    return path, command, environment


def url(descriptor: str) -> str:
    """The address in what Beam's worker is told."""
    found: str = text_format.Parse(descriptor, endpoints_pb2.ApiServiceDescriptor()).url
    return found


def test_it_becomes_beams_worker_with_what_the_runner_says(provision: Provision) -> None:
    """By the boot protocol of Beam's containers; the rest of the environment is inherited."""
    path, command, environment = become("--id=1-1")

    assert (
        sys.executable,
        [sys.executable, "-m", "apache_beam.runners.worker.sdk_worker_main"],
    ) == (
        path,
        command,
    )
    assert ["1-1"] == provision.workers
    expected = {"beam:option:job_name:v1": "errors"}
    assert expected == json.loads(environment["PIPELINE_OPTIONS"])
    assert ("1-1", os.environ["PATH"]) == (environment["WORKER_ID"], environment["PATH"])
    assert (
        "beam:protocol:control_response_elements_embedding:v1 b"
        == (environment["RUNNER_CAPABILITIES"])
    )
    assert "localhost:1" == url(environment["CONTROL_API_SERVICE_DESCRIPTOR"])
    assert "localhost:2" == url(environment["LOGGING_API_SERVICE_DESCRIPTOR"])
    assert "STATUS_API_SERVICE_DESCRIPTOR" not in environment


def test_a_status_service_is_told_where_there_is_one(provision: Provision) -> None:
    """Not every runner has it."""
    provision.info.status_endpoint.url = "localhost:3"

    environment = become("--id=1-1")[2]

    assert "localhost:3" == url(environment["STATUS_API_SERVICE_DESCRIPTOR"])


def test_arguments_of_other_runners_are_no_obstacle(provision: Provision) -> None:
    """Some put quotes around the id, and all pass more than is needed."""
    become("--id='1-2'", "--logging_endpoint=localhost:9", "--semi_persist_dir=/tmp")

    assert ["1-2"] == provision.workers
