"""`--chaos_all`: also the faults that take long, or need a cluster of their own."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option."""
    parser.addoption("--chaos_all", action="store_true", help="all faults of tests/chaos")


@pytest.fixture
def chaos_all(request: pytest.FixtureRequest) -> None:
    """Skips a test that is asked for with the option only."""
    # Unknown where the whole of tests/ is run: pytest reads this file too late then.
    if not request.config.getoption("--chaos_all", default=False):
        pytest.skip("takes long: pytest tests/chaos --chaos_all")
