"""A folder laid out like an AutoMQ distribution, with Apache Kafka's jars: all but AutoMQ's own code is real."""

from pathlib import Path

from cutover_harness.testbed.jars import cache_folder, classpaths
from jgo.maven import MavenContext

AUTOMQ_HOME = "CUTOVER_TEST_AUTOMQ_HOME"
"""A variable with the folder of an unpacked AutoMQ distribution: the target of the tests is then a broker from it."""
KAFKA = "3.9.1"
# What `kafka-storage` reads its command line with; a testbed that formats by itself has no use for it.
TOOL_JAR = ("net.sourceforge.argparse4j", "argparse4j", "0.7.0")


def kafka_in_automq_layout(folder: Path) -> Path:
    """Make `folder`/automq-1.7.3_kafka-3.9.1 and return it."""
    home = folder / f"automq-1.7.3_kafka-{KAFKA}"
    for name in ("bin", "config/kraft", "libs"):
        (home / name).mkdir(parents=True)
    (home / "config/kraft/server.properties").write_text(
        "# as shipped\nprocess.roles=broker,controller\nlog.dirs=/tmp/kraft-combined-logs\n"
        "elasticstream.enable=true\nelasticstream.endpoint=s3://\ns3.bucket=ko3\ns3.wal.path=/tmp/wal\n"
    )
    paths = classpaths([("broker", KAFKA)], print)["broker", KAFKA]
    for jar in (*paths, _tool_jar()):
        # Kafka's jars have the group in their name in the cache, and do not in a distribution.
        (home / "libs" / jar.name.removeprefix("org.apache.kafka-")).symlink_to(jar)
    return home


def _tool_jar() -> Path:
    group, artifact, version = TOOL_JAR
    context = MavenContext(repo_cache=cache_folder() / "test-jars")
    return Path(context.project(group, artifact).at_version(version).artifact().resolve())
