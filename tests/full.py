"""Tests that have a short form for every run, and a full one, as acceptance asks for it.

`ERROR_WINDOWS_FULL=1` in the environment asks for the full one.
"""

from __future__ import annotations

import os

FULL = os.environ.get("ERROR_WINDOWS_FULL", "") not in ("", "0")
