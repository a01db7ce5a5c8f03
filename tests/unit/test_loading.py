"""The end of a command is heard, also where a module that is loaded swallows it."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import pytest

from pipeline.loading import loading


class EndedError(BaseException):
    """What a handler raises."""


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    """One that raises, as the command's."""

    def end(*_: object) -> None:
        raise EndedError

    before = signal.signal(signal.SIGTERM, end)
    yield
    assert signal.signal(signal.SIGTERM, before) is end


def test_what_is_swallowed_is_raised_again() -> None:
    """When all is loaded; the handler is in its place again."""
    loaded = []

    def load() -> None:
        with loading():
            with contextlib.suppress(BaseException):
                signal.raise_signal(signal.SIGTERM)
            loaded.append("the rest")

    with pytest.raises(EndedError):
        load()
    assert loaded


def test_what_is_not_swallowed_is_raised_at_once() -> None:
    """And only once."""
    loaded = []

    def load() -> None:
        with loading():
            signal.raise_signal(signal.SIGTERM)
            loaded.append("the rest")

    with pytest.raises(EndedError):
        load()
    assert not loaded


def test_nothing_is_raised_where_nothing_came() -> None:
    """Also where a signal is ignored, as of what runs in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with loading():
        signal.raise_signal(signal.SIGINT)
    assert signal.signal(signal.SIGINT, before) is signal.SIG_IGN
