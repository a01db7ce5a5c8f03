"""Reads command lines so that every complaint is one line of the same form."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Collection, Sequence
from typing import NoReturn

from pipeline.errors import UsageError

# The habit of Kafka users; Beam 2.77 owns the first for its Kafka Streams runner and
# would silently take it for its own.
_HABITS = {
    "--bootstrap_servers": "--kafka_bootstrap_servers",
    "--bootstrap-servers": "--kafka_bootstrap_servers",
    "--bootstrap-server": "--kafka_bootstrap_servers",
    "--topic": "--input_topic",
    "--command_property": "--consumer_property",
    "--command_config": "--consumer_config",
}

# Below it `difflib` finds words alike that nobody mixes up.
_LIKENESS = 0.75


class FlagParser(argparse.ArgumentParser):
    """An argument parser whose complaints are UsageErrors, so that they read like all others."""

    def error(self, message: str) -> NoReturn:
        """Raises the UsageError for argparse's message."""
        match = re.match(r"argument (--[\w-]+)[^:]*: (.*)", message)
        flag, problem = (match[1], match[2]) if match else ("flags", message)
        raise UsageError(flag, problem, fix="See --help.")


def rewrite_habits(argv: Sequence[str], *, keep: Collection[str] = ()) -> list[str]:
    """Turns well-known spellings of other tools into ours, before anything parses them.

    Args:
      argv: what the user wrote.
      keep: spellings that are flags of the command itself.
    """
    rewritten = []
    for argument in argv:
        name, equals, value = argument.partition("=")
        ours = name if name in keep else _HABITS.get(name, name)
        rewritten.append(ours + equals + value)
    return rewritten


def choice(flag: str, value: str, allowed: tuple[str, ...]) -> str:
    """`value` if it is allowed, else a UsageError that names the nearest and all."""
    if value in allowed:
        return value
    near = difflib.get_close_matches(value, allowed, n=1, cutoff=_LIKENESS)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise UsageError(
        flag, "not one of the choices", got=value, fix=f"{hint}Choices: {', '.join(allowed)}."
    )


def whole_number(flag: str, value: str, *, minimum: int = 1) -> int:
    """`value` as a number of at least `minimum`, else a UsageError that names the flag."""
    try:
        number = int(value)
    except ValueError:
        number = None
    if number is None or number < minimum:
        raise UsageError(
            flag, f"not a whole number of at least {minimum}", got=value, fix="See --help."
        )
    return number
