"""The jar cache: filled once, verified always, and one clear line if it cannot be filled."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.testbed import jars

CONTENT = {"one": b"first jar", "two": b"second jar"}


def path_of(name: str) -> str:
    return f"/org/example/{name}/1.0/{name}-1.0.jar"


class Repository(http.server.ThreadingHTTPServer):
    """A Maven repository on loopback."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {path_of(name): content for name, content in CONTENT.items()}
        self.requests: list[str] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        content = self.server.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    server = Repository()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    settings = tmp_path / "jgo.conf"
    settings.write_text(f"[repositories]\nlocal = http://127.0.0.1:{server.server_port}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lock = {f"org.example:{name}:1.0": hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    monkeypatch.setattr(jars, "_lock", lambda: (lock, {"broker-1": list(lock)}))
    yield server
    server.shutdown()
    server.server_close()


def get() -> tuple[list[Path], list[str]]:
    said: list[str] = []
    return jars.classpaths([("broker", "1")], said.append)["broker", "1"], said


def test_fetched_once_then_without_a_network(repository: Repository, tmp_path: Path) -> None:
    paths, said = get()
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())
    assert sorted(repository.requests) == sorted(repository.files)
    assert "2 jars" in said[0]
    changed = [path.stat().st_mtime_ns for path in paths]
    repository.shutdown()
    again, said = get()
    assert again == paths
    assert not said
    assert [path.stat().st_mtime_ns for path in again] == changed
    assert all(path.is_relative_to(tmp_path / "cache" / "kafka-cutover") for path in paths)
    assert sorted(path.name for path in paths[0].parent.iterdir()) == sorted(path.name for path in paths)


def test_a_damaged_file_in_the_cache_is_fetched_again(repository: Repository) -> None:
    paths, _ = get()
    paths[1].write_bytes(CONTENT["two"][:-1])
    repository.requests.clear()
    paths, _ = get()
    assert paths[1].read_bytes() == CONTENT["two"]
    assert repository.requests == [path_of("two")]


def test_a_jar_other_than_the_pinned_one_is_refused(repository: Repository) -> None:
    repository.files[path_of("two")] = b"something else"
    with pytest.raises(UsageError, match=r"org\.example:two:1\.0 .*SHA-256 differs") as caught:
        get()
    assert "\n" not in str(caught.value)
    repository.files[path_of("two")] = CONTENT["two"]
    assert get()[0][1].read_bytes() == CONTENT["two"]


def test_an_empty_cache_without_a_network(repository: Repository, tmp_path: Path) -> None:
    repository.shutdown()
    repository.server_close()
    with pytest.raises(
        UsageError, match=r"cannot fetch the jars of Kafka .*refused.*connect to the network once"
    ) as caught:
        get()
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "cache") in str(caught.value)


def test_a_repository_without_the_jar(repository: Repository) -> None:
    del repository.files[path_of("one")]
    with pytest.raises(UsageError, match="HTTP 404"):
        get()


def test_a_cache_folder_that_cannot_be_written(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UsageError, match="XDG_CACHE_HOME"):
        get()


def test_an_unknown_version_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no broker of Kafka 1\.0 .* 2\.8\.2, 3\.4\.1, 3\.9\.1, 3\.9\.2, 4\.4\.0"):
        jars.classpaths([("broker", "1.0")], print)


def test_the_lock_is_complete() -> None:
    checksums, roles = jars._lock()
    assert jars.versions("connect") == ["3.9.2"]
    assert {jar for names in roles.values() for jar in names} == set(checksums)
    assert all(len(checksum) == 64 for checksum in checksums.values())
    for role, names in roles.items():
        artifacts = [name.split(":")[1] for name in names]
        logging = "log4j-slf4j-impl" if role == "broker-4.4.0" else "slf4j-reload4j"
        assert {"zstd-jni", "lz4-java", "snappy-java", logging} <= set(artifacts)
        assert len(names) == len({name.rpartition(":")[0] for name in names}), "two versions of one jar"
        assert not any(name.startswith("log4j:") for name in names)


def test_the_lock_names_no_host() -> None:
    text = Path(jars.__file__).with_name("jars.toml").read_text()
    assert "//" not in text
