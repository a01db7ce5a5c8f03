"""What tests of Dataflow share: a Google Cloud that Beam finds, and a look into a job's graph."""

from __future__ import annotations

import base64
import binascii
import bz2
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from apache_beam.portability.api import beam_runner_api_pb2

from tests.google_cloud import GoogleCloud

_SNAPPY = b"\x82SNAPPY\x00"
_LARGEST_BLOCK = 1_000_000


def labels(graph: beam_runner_api_pb2.Pipeline) -> set[str]:
    """The labels of the steps that a reader of the graph sees first."""
    names = (transform.unique_name for transform in graph.components.transforms.values())
    return {name for name in names if "/" not in name and not name.startswith("ref_")}


def shown(graph: beam_runner_api_pb2.Pipeline, label: str) -> dict[str, Any]:
    """The display data of a step."""
    [transform] = [
        transform
        for transform in graph.components.transforms.values()
        if transform.unique_name == label
    ]
    items = [
        beam_runner_api_pb2.LabelledPayload.FromString(item.payload)
        for item in transform.display_data
    ]
    return {item.key: getattr(item, item.WhichOneof("value")) for item in items}


def all_that_left(cloud: GoogleCloud) -> bytes:
    """Everything that a submission sent: jobs, staged files, and what steps hold compressed."""
    sent = [json.dumps(job.request).encode("utf-8") for job in cloud.jobs]
    sent += [f"{method} {path}".encode() for method, path in cloud.requests]
    for name, content in cloud.objects.items():
        sent.append(content)
        if name.endswith("/pipeline.pb"):
            sent += _of_python(beam_runner_api_pb2.Pipeline.FromString(content))
            sent += _of_java(content)
    return b"\n".join(sent)


def _of_java(graph: bytes) -> Iterator[bytes]:
    """What snappy-java compressed: a head of 16 bytes, then blocks that begin with their size."""
    place = -1
    while (place := graph.find(_SNAPPY, place + 1)) >= 0:
        block = place + 16
        while 0 < (size := int.from_bytes(graph[block : block + 4], "big")) <= _LARGEST_BLOCK:
            compressed = graph[block + 4 : block + 4 + size]
            try:
                content = pa.decompress(compressed, _varint(compressed), codec="snappy")
            except OSError:
                # What comes after the last block happens to look like a size.
                break
            yield content.to_pybytes()
            block += 4 + size


def _varint(data: bytes) -> int:
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return value


def _of_python(graph: beam_runner_api_pb2.Pipeline) -> Iterator[bytes]:
    for transform in graph.components.transforms.values():
        if transform.spec.urn == "beam:transform:pardo:v1":
            payload = beam_runner_api_pb2.ParDoPayload.FromString(transform.spec.payload)
            with contextlib.suppress(binascii.Error, OSError, ValueError):
                yield bz2.decompress(base64.b64decode(payload.do_fn.payload, validate=True))
