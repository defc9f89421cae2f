"""What is in an unpacked distribution: its jars, its versions, its settings, and whether it really is AutoMQ."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from cutover_harness.errors import UsageError

_AUTOMQ_CODE = "com/automq/stream/"
_KAFKA_VERSION = "kafka/kafka-version.properties"
# As the archives are named: automq-1.5.0_kafka-3.9.0.tgz.
_FOLDER = re.compile(r"automq-v?(\d+(?:\.\d+)+[\w.-]*?)(?:_kafka-.*)?")
# The releases do not carry their number: what their jars were built from does.
_COMMITS = {"8a59d474": "1.7.3"}
_SETTINGS_FILES = ("config/kraft/server.properties", "config/server.properties")
# AutoMQ's own settings in the file that it ships, and two of Kafka's that it sets to classes of its own.
_OWN_PREFIXES = ("automq.", "autobalancer.", "elasticstream.", "s3.")
_OWN_NAMES = ("create.topic.policy.class.name", "metric.reporters")
# Exporters listen on fixed ports; and addresses lead to stores that are not the testbed's, perhaps with their secrets.
_LEFT_OUT_PREFIX = "s3.telemetry."
_OWN_ADDRESS = "elasticstream.endpoint"


@dataclass(frozen=True)
class Distribution:
    """A folder with `libs`, as AutoMQ's and Kafka's archives unpack to.

    `automq`: whether AutoMQ's storage is among the jars; `version` is AutoMQ's, None if nothing shows it, and
    `version_from` names the evidence, or the reason why it is unknown. `settings` are AutoMQ's own of the
    `server.properties` that it ships.
    """

    home: Path
    jars: tuple[Path, ...]
    kafka_version: str
    automq: bool
    version: str | None
    version_from: str
    proved: bool
    """Whether the jars show the version. The folder's name alone proves nothing: anybody can rename a folder."""
    settings: dict[str, str]

    @property
    def title(self) -> str:
        """What runs, in words for a report."""
        if self.automq:
            if self.version is None:
                version = "(version unknown)"
            else:
                version = self.version if self.proved else f"({self.version} {self.version_from})"
            return f"AutoMQ {version} (Kafka {self.kafka_version})"
        return f"Apache Kafka {self.kafka_version} from {self.home.name} standing in for AutoMQ"


def read_distribution(home: Path) -> Distribution:
    """Return the distribution in `home`. Raises UsageError if no broker can be started from it."""
    where = f"--automq-home {home}"
    if not home.is_dir():
        what = "is a file: unpack it and name the folder" if home.exists() else "does not exist"
        raise UsageError(f"{where}: {what}")
    jars = tuple(sorted((home / "libs").glob("*.jar")))
    if not jars:
        raise UsageError(f"{where}: has no libs folder with jars; give the folder that contains bin, config and libs")
    kafka_version, commit, automq, broker = None, "", False, False
    for jar in jars:
        try:
            with zipfile.ZipFile(jar) as archive:
                names = archive.namelist()
                if _KAFKA_VERSION in names and jar.name.startswith("kafka-clients"):
                    text = archive.read(_KAFKA_VERSION).decode()
                    found = re.search(r"^version=(\S+)", text, re.MULTILINE)
                    kafka_version = found[1] if found else None
                    built_from = re.search(r"^commitId=([0-9a-f]{8,})", text, re.MULTILINE)
                    commit = built_from[1] if built_from else ""
        except (OSError, zipfile.BadZipFile) as why:
            raise UsageError(f"{where}: {jar.name} is not an intact jar ({why}); unpack the archive again") from why
        automq = automq or any(name.startswith(_AUTOMQ_CODE) for name in names)
        broker = broker or "kafka/Kafka.class" in names
    if kafka_version is None or not broker:
        lacks = "kafka-clients" if kafka_version is None else "kafka_2.13"
        raise UsageError(f"{where}: contains neither AutoMQ nor Kafka, there is no {lacks} jar in libs")
    version, version_from, proved = _version(home, jars, kafka_version, commit) if automq else (None, "", False)
    return Distribution(
        home=home,
        jars=jars,
        kafka_version=kafka_version,
        automq=automq,
        version=version,
        version_from=version_from,
        proved=proved,
        settings=_own_settings(home),
    )


def _version(home: Path, jars: tuple[Path, ...], kafka_version: str, commit: str) -> tuple[str | None, str, bool]:
    """Return AutoMQ's version, what shows it, and whether that is a proof."""
    for known, version in _COMMITS.items():
        if commit.startswith(known):
            return version, f"by the commit that its jars were built from ({commit})", True
    for jar in jars:
        of_jar = re.fullmatch(r"s3stream-(\d+(?:\.\d+)+.*)\.jar", jar.name)
        if of_jar and of_jar[1] != kafka_version:
            return of_jar[1], f"by the name of {jar.name}", True
    built_from = f"its jars were built from commit {commit or '(none given)'}"
    if (named := _FOLDER.fullmatch(home.resolve().name)) is None:
        return None, f"neither jars nor folder show it; {built_from}", False
    if named[1] in _COMMITS.values():
        return None, f"its folder is named {named[1]}, but {built_from}, which is not that release's", False
    return named[1], "by its folder's name alone", False


def _own_settings(home: Path) -> dict[str, str]:
    for name in _SETTINGS_FILES:
        if (home / name).is_file():
            lines = (home / name).read_text(encoding="utf-8", errors="replace").splitlines()
            pairs = (line.strip().partition("=") for line in lines if not line.lstrip().startswith(("#", "!")))
            settings = {key.strip(): value.strip() for key, equals, value in pairs if equals}
            return {name: value for name, value in settings.items() if _taken(name, value)}
    return {}


def _taken(name: str, value: str) -> bool:
    own = name.startswith(_OWN_PREFIXES) or name in _OWN_NAMES
    elsewhere = "://" in value and name != _OWN_ADDRESS
    return own and not elsewhere and not name.startswith(_LEFT_OUT_PREFIX)
