"""The jars of brokers and Connect: pinned, checksummed, fetched once, kept below the user's cache directory."""

import hashlib
import os
import tempfile
import tomllib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter

from cutover_harness.errors import UsageError
from cutover_harness.words import counted, sized

Progress = Callable[[str], None]

# The class caches of the JVM remember each jar's time of change, so it has to be the same whenever a jar is fetched.
_MTIME = 1_700_000_000
_CONNECTIONS = 8
_TIMEOUT_S = 30


def cache_folder() -> Path:
    """Return the folder of what is fetched and derived: `kafka-cutover` in `$XDG_CACHE_HOME`, else in `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kafka-cutover"


@cache
def _lock() -> tuple[dict[str, str], dict[str, list[str]]]:
    data = tomllib.loads((files("cutover_harness.testbed") / "jars.toml").read_text())
    return data["sha256"], data["classpath"]


def versions(role: str) -> list[str]:
    """Return the versions that can be run as `role`, "broker" or "connect"."""
    return [name.removeprefix(f"{role}-") for name in _lock()[1] if name.startswith(f"{role}-")]


def classpaths(roles: Iterable[tuple[str, str]], progress: Progress) -> dict[tuple[str, str], list[Path]]:
    """Return the class path of each (role, version), after fetching the jars that are not in the cache yet.

    Raises UsageError for a version that is not known, and if a jar can be had neither from the cache nor from the
    network, or is not the one that was pinned.
    """
    checksums, all_roles = _lock()
    wanted: dict[tuple[str, str], list[str]] = {}
    for role, version in roles:
        if f"{role}-{version}" not in all_roles:
            known = ", ".join(versions(role))
            raise UsageError(f"no {role} of Kafka {version} for the process testbed: choose one of {known}")
        wanted[role, version] = all_roles[f"{role}-{version}"]
    folder = cache_folder() / "jars"
    coordinates = sorted({coordinate for jars in wanted.values() for coordinate in jars})
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        intact = pool.map(lambda c: _intact(folder / _file_name(c), checksums[c]), coordinates)
        missing = [c for c, is_intact in zip(coordinates, intact, strict=True) if not is_intact]
    if missing:
        _fetch(missing, checksums, folder, progress)
    return {key: [folder / _file_name(c) for c in jars] for key, jars in wanted.items()}


def _file_name(coordinate: str) -> str:
    # Two groups publish artifacts of one name and version (metrics-core, lz4-java), so the group is in the name.
    return coordinate.replace(":", "-") + ".jar"


def _intact(path: Path, checksum: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == checksum
    except OSError:
        return False  # if it cannot be repaired, fetching reports the reason


def _fetch(coordinates: list[str], checksums: dict[str, str], folder: Path, progress: Progress) -> None:
    # Here, because a filled cache needs none of it and it takes longer than the rest.
    from jgo.config import GlobalSettings  # noqa: PLC0415
    from jgo.maven import Artifact, MavenContext, PythonResolver  # noqa: PLC0415

    session = requests.Session()
    session.mount("https://", HTTPAdapter(pool_maxsize=_CONNECTIONS, max_retries=3))

    class Pooled(PythonResolver):
        """Keeps connections open between jars, which makes an empty cache 35 times as fast to fill."""

        def download(self, artifact: Artifact) -> Path:
            answers = []
            for repository in artifact.context.remote_repos.values():
                prefix = artifact.component.path_prefix.as_posix()
                answer = session.get(f"{repository}/{prefix}/{artifact.filename}", timeout=_TIMEOUT_S)
                if answer.ok:
                    path = Path(scratch, artifact.filename)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(answer.content)
                    return path
                answers.append(f"HTTP {answer.status_code}")
            raise requests.HTTPError(", ".join(answers))

    def fetch(coordinate: str) -> int:
        group, artifact, version = coordinate.split(":")
        path = Path(context.project(group, artifact).at_version(version).artifact().resolve())
        if not _intact(path, checksums[coordinate]):
            raise UsageError(
                f"{coordinate} as fetched is not the jar that kafka-cutover was tested with (SHA-256 differs from "
                f"{checksums[coordinate][:12]}…): check the proxy or repository mirror between here and Maven Central"
            )
        os.utime(path, (_MTIME, _MTIME))
        size = path.stat().st_size
        path.replace(folder / _file_name(coordinate))
        return size

    progress(f"fetching {counted(len(coordinates), 'jar')} of Kafka into {folder} (once)")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Next to the jars, so that a complete file is moved into place in one step, also if another process fetches it.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
            settings = GlobalSettings.load()
            context = MavenContext(
                repo_cache=Path(scratch), remote_repos=settings.repositories or None, resolver=Pooled()
            )
            size, done, tenths = 0, 0, 0
            with session, ThreadPoolExecutor(_CONNECTIONS) as pool:
                for size_of_one in pool.map(fetch, coordinates):
                    size, done = size + size_of_one, done + 1
                    if done * 10 // len(coordinates) > tenths:
                        tenths = done * 10 // len(coordinates)
                        progress(f"fetched {done} of {len(coordinates)} jars, {sized(size)}")
    except requests.RequestException as error:
        raise UsageError(
            f"cannot fetch the jars of Kafka ({_cause(error)}): connect to the network once, set HTTPS_PROXY, name a "
            f"mirror in jgo's settings file, or copy {folder} from a machine where kafka-cutover has run"
        ) from error
    except OSError as error:
        raise UsageError(f"cannot keep the jars of Kafka: {error}; set XDG_CACHE_HOME to a writable folder") from error


def _cause(error: BaseException) -> str:
    """Return the innermost reason: requests and urllib3 wrap it several times."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error) or type(error).__name__
