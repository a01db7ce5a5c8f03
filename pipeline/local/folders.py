"""Where files go: the cache of fetched modules, and the run folder of live services."""

from __future__ import annotations

import os
import pathlib

import platformdirs

CACHE_DIR_VARIABLE = "ERROR_WINDOWS_CACHE_DIR"
RUN_DIR_VARIABLE = "ERROR_WINDOWS_RUN_DIR"
_APP_NAME = "error-windows"
_CHECKOUT = pathlib.Path(__file__).resolve().parents[2]


def cache_dir() -> pathlib.Path:
    """The folder of fetched Java modules: $ERROR_WINDOWS_CACHE_DIR, else the user's cache folder.

    Not created here: whoever writes into it creates it.
    """
    given = os.environ.get(CACHE_DIR_VARIABLE)
    return pathlib.Path(given).absolute() if given else platformdirs.user_cache_path(_APP_NAME)


def run_dir() -> pathlib.Path:
    """The folder of data, logs and pid files of local services.

    $ERROR_WINDOWS_RUN_DIR, else `.run` in the checkout the package is run from, else the
    user's state folder (an installed package has no checkout). Not created here.
    """
    given = os.environ.get(RUN_DIR_VARIABLE)
    if given:
        return pathlib.Path(given).absolute()
    if (_CHECKOUT / "setup.py").is_file():
        return _CHECKOUT / ".run"
    return platformdirs.user_state_path(_APP_NAME)
