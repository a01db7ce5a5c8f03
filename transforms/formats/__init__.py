"""Formats of log lines: a small module of plain functions for each, and `LineParser` over all."""

from transforms.formats.entry import Entry
from transforms.formats.parser import LOG_FORMATS, LineParser

__all__ = ["LOG_FORMATS", "Entry", "LineParser"]
