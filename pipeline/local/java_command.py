"""The command `error-windows java`: fetches and checks Java modules, shows which Java is used."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from pipeline.errors import EXIT_DONE, EXIT_FAILED, UsageError
from pipeline.local import folders, jar_lock, jars, maven
from pipeline.local.java import SUPPORTED_MAJOR_VERSIONS, no_java_error, survey_java

_VERSIONS = " or ".join(map(str, SUPPORTED_MAJOR_VERSIONS))
_EXAMPLES = f"""\
examples:
  error-windows java fetch            fetch all sets (once; later runs need no network)
  error-windows java fetch beam       only what reads Kafka on the DirectRunner
  error-windows java verify           read every fetched jar again and compare its SHA-256
  error-windows java which            the Java that a run will use
  cp $(error-windows java paths flink --without=org.apache.flink,org.slf4j) "$FLINK_HOME/lib"
                                      what the job loads beside Flink itself

environment:
  JAVA_HOME                           taken first, if it is Java {_VERSIONS}
  {folders.CACHE_DIR_VARIABLE}             where jars are kept
  {jars.REPOSITORY_URL_VARIABLE}  a mirror of Maven Central
  {jars.OFFLINE_VARIABLE}=1             never use the network
"""


def main(argv: Sequence[str]) -> int:
    """Runs `error-windows java ...` and returns its exit code: 0 done, 1 something is wrong."""
    arguments = _parser().parse_args(list(argv))
    if arguments.command == "which":
        return _which()
    if arguments.command == "list":
        return _list()
    if arguments.command == "paths":
        return _paths(arguments.set, without=arguments.without)
    names = arguments.sets or jar_lock.set_names()
    for name in names:
        jar_lock.pom_path(name)  # Says so when there is no such set, before anything is done.
    if arguments.command == "fetch":
        return _fetch(names)
    if arguments.command == "verify":
        return _verify(names, remove=arguments.remove)
    return _lock(names)


class _Parser(argparse.ArgumentParser):
    """Reports a mistake as the one line that all commands use."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(self.prog, message, fix=f"See `{self.prog} --help`.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="error-windows java",
        description="Java modules of the job: fetched once into a cache, checked by SHA-256.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    fetch = commands.add_parser("fetch", help="fetch the modules that are missing")
    verify = commands.add_parser("verify", help="check the SHA-256 of every fetched module")
    lock = commands.add_parser("lock", help="make jars.lock from pom.xml (needs Maven)")
    for command in (fetch, verify, lock):
        command.add_argument(
            "sets",
            metavar="SET",
            nargs="*",
            help=f"{', '.join(jar_lock.set_names())} (default: all)",
        )
    verify.add_argument(
        "--remove",
        action="store_true",
        help="delete those that are wrong, so that fetch gets them anew (default: keep)",
    )
    paths = commands.add_parser("paths", help="print where the jars of a set are, one a line")
    paths.add_argument("set", metavar="SET", help=f"one of {', '.join(jar_lock.set_names())}")
    paths.add_argument(
        "--without",
        metavar="GROUP[,GROUP]",
        action="append",
        default=[],
        help="leave out the modules of these Maven groups, such as org.slf4j",
    )
    commands.add_parser("which", help="show the Java that a run will use")
    commands.add_parser("list", help="show the sets, and how much of each is in the cache")
    return parser


def _fetch(names: Sequence[str]) -> int:
    for name in names:
        files = jars.fetch_jars(name)
        print(f"{name}: {len(files)} modules in {jars.jar_cache_dir()}", file=sys.stderr)
    return EXIT_DONE


def _paths(name: str, *, without: Sequence[str]) -> int:
    """Prints the jars of a set in class path order, and fetches them first where they miss."""
    locked = jar_lock.read_lock(name)
    left_out = {group for groups in without for group in groups.split(",")}
    unknown = sorted(left_out - {jar.group for jar in locked})
    if unknown:
        raise UsageError(
            "--without",
            f"set {name} has no module of this group",
            got=unknown[0],
            fix="Give groups of its jars.lock, such as org.apache.kafka.",
        )
    for jar, path in zip(locked, jars.fetch_jars(name), strict=True):
        if jar.group not in left_out:
            print(path)
    return EXIT_DONE


def _verify(names: Sequence[str], *, remove: bool) -> int:
    wrong = False
    for name in names:
        locked = jar_lock.read_lock(name)
        missing = jars.missing_jars(locked)
        corrupt = jars.corrupt_jars(locked)
        absent = [jar for jar in missing if jar not in corrupt]
        for jar in corrupt:
            print(f"{name}: corrupt {jar.coordinates} {jars.jar_path(jar)}")
            if remove:
                jars.jar_path(jar).unlink()
        good = len(locked) - len(corrupt) - len(absent)
        print(f"{name}: {good} good, {len(corrupt)} corrupt, {len(absent)} missing")
        wrong = wrong or bool(corrupt or absent)
    if wrong:
        how = "Run" if remove else "Run `error-windows java verify --remove`, then"
        print(f"{how} `error-windows java fetch`.", file=sys.stderr)
    return EXIT_FAILED if wrong else EXIT_DONE


def _lock(names: Sequence[str]) -> int:
    for name in names:
        pom = jar_lock.pom_path(name)
        lock = pom.with_name("jars.lock")
        before = jar_lock.read_lock(name) if lock.is_file() else []
        after = maven.resolve(pom)
        jar_lock.write_lock(name, after)
        for line in jar_lock.describe_changes(before, after):
            print(line)
        megabytes = sum(jar.size_bytes for jar in after) / 1e6
        print(f"{name}: {len(after)} modules, {megabytes:.0f} MB", file=sys.stderr)
    return EXIT_DONE


def _which() -> int:
    java, rejected = survey_java()
    if java is None:
        raise no_java_error(rejected)
    for sentence in rejected:
        print(f"passed over: {sentence}", file=sys.stderr)
    print(f"{java.executable}  Java {java.major_version}  from {java.origin}")
    return EXIT_DONE


def _list() -> int:
    for name in jar_lock.set_names():
        locked = jar_lock.read_lock(name)
        present = len(locked) - len(jars.missing_jars(locked))
        megabytes = sum(jar.size_bytes for jar in locked) / 1e6
        print(
            f"{name:8} {len(locked):4} modules {megabytes:6.0f} MB  {present:4} fetched  "
            f"for {jar_lock.describe(name)}"
        )
    return EXIT_DONE
