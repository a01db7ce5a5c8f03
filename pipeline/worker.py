"""`error-windows-worker`: what a TaskManager starts to run the Python part of the job.

It speaks the boot protocol of Beam's PROCESS environment: the runner passes a worker id and
the address of its provision service, which says where the other services are. The job's code
is not fetched from the runner; it is installed where this command is.
Source: apache/beam, sdks/python/container/boot.go and
runners/java-fn-execution/.../environment/ProcessEnvironmentFactory.java.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import grpc
from apache_beam.portability.api import (
    beam_provision_api_pb2,
    beam_provision_api_pb2_grpc,
    endpoints_pb2,
)
from google.protobuf import json_format, text_format

_PROVISION_TIMEOUT_SECONDS = 60


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Asks the runner what to do and becomes Beam's SDK worker."""
    parser = argparse.ArgumentParser(description="Runs the Python part of a job on Flink.")
    parser.add_argument("--id", required=True, help="of this worker")
    parser.add_argument("--provision_endpoint", required=True, metavar="HOST:PORT")
    arguments, _ = parser.parse_known_args(argv)
    # Some runners pass the quotes of a shell along.
    worker_id = arguments.id.strip("'")
    info = _provision(arguments.provision_endpoint, worker_id)
    environment = {
        **os.environ,
        "WORKER_ID": worker_id,
        # Not in a file, which nobody would delete.
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options, indent=None),
        "CONTROL_API_SERVICE_DESCRIPTOR": _descriptor(info.control_endpoint),
        "LOGGING_API_SERVICE_DESCRIPTOR": _descriptor(info.logging_endpoint),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
    }
    if info.HasField("status_endpoint"):
        environment["STATUS_API_SERVICE_DESCRIPTOR"] = _descriptor(info.status_endpoint)
    command = [sys.executable, "-m", "apache_beam.runners.worker.sdk_worker_main"]
    os.execve(sys.executable, command, environment)  # noqa: S606 - that is the protocol


def _provision(endpoint: str, worker_id: str) -> beam_provision_api_pb2.ProvisionInfo:
    # A proxy is not for addresses of this machine, and gRPC knows no other way to be told.
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(endpoint, options=options) as channel:
        stub = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        reply = stub.GetProvisionInfo(
            beam_provision_api_pb2.GetProvisionInfoRequest(),
            metadata=(("worker_id", worker_id),),
            timeout=_PROVISION_TIMEOUT_SECONDS,
        )
    return reply.info


def _descriptor(endpoint: endpoints_pb2.ApiServiceDescriptor) -> str:
    text: str = text_format.MessageToString(
        endpoints_pb2.ApiServiceDescriptor(url=endpoint.url), as_one_line=True
    )
    return text
