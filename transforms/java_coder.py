"""Lets Python hand on values that only Java has a coder for: as the bytes that encode them."""

from typing import Any

from apache_beam import coders

_URN = "beam:coders:javasdk:0.1"


class _JavaCoder(coders.Coder):
    """A coder of the Java SDK, of which Python knows only the encoded form: bytes in and out."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload

    def encode(self, value: bytes) -> bytes:
        return value

    def decode(self, encoded: bytes) -> bytes:
        return encoded

    def is_deterministic(self) -> bool:
        return True

    def to_type_hint(self) -> type:
        return bytes

    def to_runner_api_parameter(self, context: Any) -> tuple[str, bytes, tuple[()]]:
        return _URN, self._payload, ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _JavaCoder) and self._payload == other._payload

    def __hash__(self) -> int:
        return hash(self._payload)


# A Python worker that reads or writes such values has to know the coder by its URN too.
coders.Coder.register_urn(_URN, bytes, lambda payload, _components, _context: _JavaCoder(payload))


def java_element_type(payload: bytes, name: str) -> type:
    """A type of its own for elements that only Java's coder with this payload can read.

    Of its own, because Beam finds coders by element type.
    """

    class OneCoder(_JavaCoder):
        # Beam's registry takes coder classes only: one that always makes the same coder.
        @classmethod
        def from_type_hint(cls, _typehint: Any, _registry: Any) -> _JavaCoder:
            return _JavaCoder(payload)

    element_type = type(name, (bytes,), {})
    coders.registry.register_coder(element_type, OneCoder)
    return element_type
