"""The commands around a local cluster, as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


class Commands:
    """Runs `error-windows flink ...` with a run folder of the test."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def run(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """Runs a command to its end and returns (stdout, stderr)."""
        ended = subprocess.run(
            [sys.executable, "-m", "pipeline", "flink", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert code == ended.returncode, ended.stderr
        return ended.stdout, ended.stderr

    def status(self) -> dict[str, Any]:
        """What `status --json` says."""
        found: dict[str, Any] = json.loads(self.run("status", "--json")[0])
        return found
