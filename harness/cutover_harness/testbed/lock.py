"""Writes `jars.toml`, the pinned and checksummed class paths: `python -m cutover_harness.testbed.lock`.

For maintainers, after a change of the versions below. Nothing of this runs for a user, so that a start from an empty
cache is one download of a known list and resolves nothing.
"""

import hashlib
import sys
import tempfile
from pathlib import Path

from jgo.maven import MavenContext

BROKERS = ("2.8.2", "3.4.1", "3.9.1", "3.9.2", "4.4.0")
CONNECT = ("3.9.2",)
FILESTREAM = CONNECT
ROOTS = {
    "broker": ("org.apache.kafka:kafka_2.13:{version}",),
    "connect": ("org.apache.kafka:connect-runtime:{version}", "org.apache.kafka:connect-mirror:{version}"),
    # Kafka's file connectors, for a worker next to the mirror's: a plugin that reads any file is not for that one.
    "filestream": ("org.apache.kafka:connect-file:{version}",),
}
# Without a binding of slf4j there are no logs at all. Kafka before 4 calls log4j 1 itself, which reload4j replaces
# without the known vulnerabilities of log4j 1.
LOG4J1 = "org.slf4j:slf4j-reload4j:1.7.36"
LOG4J2 = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5"
# Never loaded by what a testbed runs (`-Xlog:class+load` of brokers and Connect under the cluster tests): ZooKeeper's
# transport, tiered storage, tools of the command line, annotations. A seventh of the download.
UNUSED = frozenset(
    {
        "argparse4j",
        "audience-annotations",
        "caffeine",
        "commons-beanutils",
        "commons-cli",
        "commons-collections",
        "commons-digester",
        "commons-io",
        "commons-logging",
        "error_prone_annotations",
        "jackson-dataformat-csv",
        "jackson-module-scala_2.13",
        "jsr305",
        "netty-buffer",
        "netty-codec",
        "netty-common",
        "netty-handler",
        "netty-resolver",
        "netty-transport",
        "netty-transport-classes-epoll",
        "netty-transport-native-epoll",
        "netty-transport-native-unix-common",
        "paranamer",
        "scala-reflect",
        "zookeeper-jute",
    }
)
# Loaded by some versions alone: the tool that formats storage, and a ZooKeeper that runs.
USED = {"2.8.2": {"zookeeper-jute"}, "4.4.0": {"argparse4j"}}


def resolve(context: MavenContext, coordinates: list[str]) -> list[tuple[str, str, str]]:
    """Return group, artifact and version of the coordinates and all they need at run time, sorted."""
    roots, rest = context.resolver.resolve([context.create_dependency(c) for c in coordinates])
    return sorted({(d.groupId, d.artifactId, d.version) for d in (*roots, *rest)})


def main() -> None:
    """Resolve every role and version, fetch the jars, write their checksums and the class paths."""
    checksums: dict[str, str] = {}
    roles: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder))
        for role, version in [
            *(("broker", v) for v in BROKERS),
            *(("connect", v) for v in CONNECT),
            *(("filestream", v) for v in FILESTREAM),
        ]:
            unused = UNUSED - USED.get(version, set())
            logging = LOG4J1 if version < "4" else LOG4J2
            # Apart, or versions that log4j's parent manages would replace those of Kafka's own dependencies.
            kafka = resolve(context, [root.format(version=version) for root in ROOTS[role]])
            found = {jar[:2]: jar for jar in [*kafka, *resolve(context, [logging])]}
            jars = [jar for jar in sorted(found.values()) if jar[1] not in unused]
            for group, artifact, its_version in jars:
                path = context.project(group, artifact).at_version(its_version).artifact().resolve()
                checksums[f"{group}:{artifact}:{its_version}"] = hashlib.sha256(path.read_bytes()).hexdigest()
            roles[f"{role}-{version}"] = [":".join(jar) for jar in jars]
            sys.stderr.write(f"{role} {version}: {len(jars)} jars\n")
    lines = ["# Written by `python -m cutover_harness.testbed.lock`, which says what it is made from.", "[sha256]"]
    lines += [f'"{coordinate}" = "{checksum}"' for coordinate, checksum in sorted(checksums.items())]
    lines += ["", "[classpath]"]
    for name, jars_of_role in roles.items():
        lines += [f'"{name}" = [', *(f'    "{coordinate}",' for coordinate in jars_of_role), "]"]
    Path(__file__).with_name("jars.toml").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
