"""Kafka settings in the words of the Java client, and their translation to librdkafka's.

The job speaks Java's dialect (`sasl.jaas.config`, `ssl.truststore.location`), because the
Beam connector is Java and Kafka users have such files. Checks and offset look-ups before
the job run on librdkafka; this module owns the translation between the two.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator, Mapping

import javaproperties

from pipeline.errors import UsageError

_SECRET = re.compile(r"password|secret|jaas|token|credential|keystore\.key", re.IGNORECASE)
_HIDDEN = "***"

# What a connection needs, and nothing of how a consumer fetches.
_SAME_IN_BOTH = (
    "bootstrap.servers",
    "client.dns.lookup",
    "client.id",
    "sasl.kerberos.service.name",
    "security.protocol",
    "ssl.cipher.suites",
    "ssl.key.password",
)
# librdkafka's names for what Java calls otherwise: a user who mixes them up is told.
_JAVA_NAME_OF = {
    "sasl.mechanisms": "sasl.mechanism",
    "sasl.username": "sasl.jaas.config",
    "sasl.password": "sasl.jaas.config",
    "ssl.ca.location": "ssl.truststore.location with ssl.truststore.type=PEM",
    "ssl.ca.pem": "ssl.truststore.certificates with ssl.truststore.type=PEM",
    "ssl.certificate.location": "ssl.keystore.location with ssl.keystore.type=PEM",
    "ssl.key.location": "ssl.keystore.location with ssl.keystore.type=PEM",
    "metadata.broker.list": "bootstrap.servers",
}
_LOGIN_MODULE = re.compile(r"\s*(?P<module>[\w.$]+)\s+(?:required|requisite|sufficient|optional)\b")
_LOGIN_OPTION = re.compile(
    r"""(?P<key>[\w.]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s;]+))"""
)


class KafkaProperties(Mapping[str, str]):
    """Java client settings, read-only; `repr` hides every secret."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: str) -> str:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(tuple(sorted(self._values.items())))

    def __repr__(self) -> str:
        shown = {key: _HIDDEN if is_secret(key) else value for key, value in self._values.items()}
        return f"KafkaProperties({shown!r})"

    def public(self) -> dict[str, str]:
        """The settings that anybody may see."""
        return {key: value for key, value in self._values.items() if not is_secret(key)}

    def to_librdkafka(self) -> dict[str, str]:
        """The settings of a librdkafka client that connects as the Java client would.

        Raises:
          UsageError: for a setting that librdkafka cannot follow (a JKS store, a login module).
        """
        translated = {key: self[key] for key in _SAME_IN_BOTH if key in self}
        if "sasl.mechanism" in self:
            translated["sasl.mechanism"] = self["sasl.mechanism"]
        if "sasl.jaas.config" in self:
            translated |= _login(self["sasl.jaas.config"])
        translated |= self._stores()
        if self.get("ssl.endpoint.identification.algorithm") == "":
            translated["ssl.endpoint.identification.algorithm"] = "none"
        return translated

    def _stores(self) -> dict[str, str]:
        stores: dict[str, str] = {}
        if "ssl.truststore.location" in self:
            self._require_pem("ssl.truststore")
            stores["ssl.ca.location"] = self["ssl.truststore.location"]
        if "ssl.truststore.certificates" in self:
            stores["ssl.ca.pem"] = self["ssl.truststore.certificates"]
        if "ssl.keystore.location" in self:
            self._require_pem("ssl.keystore")
            # A PEM key store of the Java client holds the key and the certificates in one file.
            stores["ssl.certificate.location"] = self["ssl.keystore.location"]
            stores["ssl.key.location"] = self["ssl.keystore.location"]
        if "ssl.keystore.certificate.chain" in self:
            stores["ssl.certificate.pem"] = self["ssl.keystore.certificate.chain"]
        if "ssl.keystore.key" in self:
            stores["ssl.key.pem"] = self["ssl.keystore.key"]
        return stores

    def _require_pem(self, store: str) -> None:
        kind = self.get(f"{store}.type", "JKS")
        if kind.upper() != "PEM":
            raise UsageError(
                "--consumer_property",
                f"{store}.type must be PEM, the one kind that both clients read",
                got=kind,
                fix=f"Convert the store to PEM and set {store}.type=PEM.",
            )


def is_secret(key: str) -> bool:
    """Whether the value of a setting must never be shown."""
    return _SECRET.search(key) is not None


def split_property(flag: str, assignment: str) -> tuple[str, str]:
    """(key, value) of `key=value`, split at the first `=` only.

    Raises:
      UsageError: if there is no key, or the key is librdkafka's name of a setting.
    """
    key, equals, value = assignment.partition("=")
    key = key.strip()
    if not equals or not key:
        raise UsageError(flag, "not key=value", got=key or assignment, fix="Write key=value.")
    _require_java_name(flag, key)
    return key, value.strip()


def read_properties_file(flag: str, path: str) -> dict[str, str]:
    r"""Settings of a Java `.properties` file.

    As `java.util.Properties` reads it: `#` and `!` begin a comment, `\` quotes, and at its end a
    line goes on with the next.

    Raises:
      UsageError: if the file cannot be read or names a setting as librdkafka does.
    """
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(
            flag, f"cannot be read ({reason})", got=path, fix="Give a .properties file."
        ) from error
    try:
        properties: dict[str, str] = javaproperties.loads(text)
    except javaproperties.InvalidUEscapeError:
        raise UsageError(
            flag, "holds an escape that is none", got=path, fix="Write a backslash as two."
        ) from None
    for key in properties:
        _require_java_name(flag, key)
    return properties


def write_properties_file(path: pathlib.Path, properties: Mapping[str, str]) -> None:
    """Writes settings so that Java reads them back, for this user's eyes only. Raises OSError."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    text: str = javaproperties.dumps(properties, timestamp=False, sort_keys=True)
    path.write_text(text, encoding="ascii")


def _require_java_name(flag: str, key: str) -> None:
    if key in _JAVA_NAME_OF:
        raise UsageError(
            flag,
            "a librdkafka name, where the Java client's is wanted",
            got=key,
            fix=f"Use {_JAVA_NAME_OF[key]}.",
        )


def _login(jaas: str) -> dict[str, str]:
    match = _LOGIN_MODULE.match(jaas)
    module = match["module"].rpartition(".")[2] if match else ""
    if module not in ("PlainLoginModule", "ScramLoginModule"):
        raise UsageError(
            "--consumer_property",
            "sasl.jaas.config must name PlainLoginModule or ScramLoginModule",
            got=module or "something else",
            fix="Other ways to log in are not offered yet.",
        )
    options = {
        found["key"]: found["bare"] or re.sub(r"\\(.)", r"\1", found["quoted"] or "")
        for found in _LOGIN_OPTION.finditer(jaas)
    }
    return {
        "sasl.username": options.get("username", ""),
        "sasl.password": options.get("password", ""),
    }
