"""The broker's settings file."""

from __future__ import annotations

import pathlib

from pipeline.local.kafka_settings import server_properties


def _settings(log_dir: str) -> dict[str, str]:
    text = server_properties(pathlib.PurePosixPath(log_dir), 20001, 20002)  # type: ignore[arg-type]
    return dict(line.split("=", 1) for line in text.splitlines())


def test_only_this_machine_reaches_the_broker() -> None:
    """Every address is the loopback one."""
    settings = _settings("/data")
    assert "PLAINTEXT://127.0.0.1:20001,CONTROLLER://127.0.0.1:20002" == settings["listeners"]
    assert "PLAINTEXT://127.0.0.1:20001" == settings["advertised.listeners"]
    assert "1@127.0.0.1:20002" == settings["controller.quorum.voters"]


def test_nothing_is_deleted_and_no_topic_appears_by_itself() -> None:
    """Old events stay, and a mistyped topic is an error."""
    settings = _settings("/data")
    assert ("-1", "-1", "false") == (
        settings["log.retention.ms"],
        settings["log.retention.bytes"],
        settings["auto.create.topics.enable"],
    )


def test_folder_names_survive_javas_properties_format() -> None:
    """Backslashes and letters beyond ASCII are escaped, in UTF-16 units."""
    assert "/a b/\\u00e9\\ud83d\\ude00\\\\n" == _settings("/a b/é😀\\n")["log.dirs"]
