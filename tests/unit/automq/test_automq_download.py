"""Download of an AutoMQ release: address, checksum, archive."""

from __future__ import annotations

import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.testbed.automq import download
from cutover_harness.testbed.automq.distribution import read_distribution

from tests.unit.automq.distributions import Maker, options


# Downloads
class Server:
    """Serves `content` for any path but /missing; `cut` sends half of it."""

    def __init__(self, content: bytes, *, cut: bool = False) -> None:
        outer = self
        self.asked: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                if self.path == "/missing":
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if cut else content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def archive(home: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(home, home.name)
    return buffer.getvalue()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "cache/kafka-cutover/automq"
    yield folder
    left = [entry.name for entry in folder.glob(".*")] if folder.exists() else []
    assert left == []


def test_a_release_is_fetched_once_and_unpacked(distribution: Maker, cache: Path) -> None:
    content = archive(distribution())
    server = Server(content)
    try:
        checksum = hashlib.sha256(content).hexdigest()
        for _ in range(2):
            found = options(url=f"{server.url}/automq.tgz", sha256=checksum.upper())
        assert server.asked == ["/automq.tgz"]
        assert found.home.name == "automq-1.7.3_kafka-3.9.1"
        assert found.home.is_relative_to(cache)
        assert read_distribution(found.home).automq
    finally:
        server.close()


@pytest.mark.parametrize(
    ("path", "sha256", "cut", "says"),
    [
        ("/missing", "unverified", False, r"cannot fetch AutoMQ from http://127\.0\.0\.1:\d+/missing \(HTTP 404\)"),
        ("/a", "0" * 64, False, "not that of --automq-sha256; nothing of it was kept"),
        ("/a", "unverified", True, "cannot fetch AutoMQ|is no tar archive, or one that is cut off"),
    ],
)
def test_a_wrong_archive_is_not_kept(
    distribution: Maker, cache: Path, path: str, sha256: str | None, cut: bool, says: str
) -> None:
    server = Server(archive(distribution()), cut=cut)
    try:
        with pytest.raises(UsageError, match=says) as wrong:
            options(url=server.url + path, sha256=sha256)
        assert "\n" not in str(wrong.value)
        assert list(cache.iterdir()) == []
    finally:
        server.close()


def test_a_file_that_is_no_archive_is_refused(cache: Path) -> None:
    server = Server(b"<html>please log in</html>" * 100)
    try:
        with pytest.raises(UsageError, match="is no tar archive"):
            options(url=server.url, sha256="unverified")
    finally:
        server.close()


def test_an_archive_with_paths_outside_its_folder_is_refused(cache: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../../../evil"))
    server = Server(buffer.getvalue())
    try:
        with pytest.raises(UsageError, match="unsafe"):
            options(url=server.url, sha256="unverified")
    finally:
        server.close()
    assert not list(tmp_path.rglob("evil"))


def test_an_unreachable_address_is_one_line_with_a_remedy(cache: Path) -> None:
    server = Server(b"")
    server.close()
    with pytest.raises(UsageError, match=r"Connection refused\): download it where the network allows, unpack it and"):
        options(url=f"{server.url}/a", sha256="unverified")
    with pytest.raises(UsageError, match="expected an http or https address"):
        options(url="ftp://host/a", sha256="unverified")


def test_without_a_checksum_nothing_is_downloaded(distribution: Maker, cache: Path) -> None:
    server = Server(archive(distribution()))
    try:
        with pytest.raises(UsageError, match="its checksum is needed: add --automq-sha256 HEX"):
            options(url=f"{server.url}/a")
        assert server.asked == []
        assert read_distribution(options(url=f"{server.url}/a", sha256="unverified").home).automq
    finally:
        server.close()


@pytest.mark.parametrize("sha256", [None, "0" * 64, "unverified"])
@pytest.mark.parametrize("status", ["there", "away", "nonsense"])
def test_no_text_contains_the_secrets_of_an_address(
    distribution: Maker, cache: Path, sha256: str | None, status: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(archive(distribution()))
    if status == "away":
        server.close()
    base = {"nonsense": "ftp://host"}.get(status, server.url)
    url = f"{base.replace('://', '://me:hunter2@')}/a.tgz?token=hunter3&x=hunter4#hunter5"
    texts: list[str] = []
    try:
        options(url=url, sha256=sha256, progress=texts.append)
    except UsageError as error:
        texts.append(str(error))
        texts.append(repr(error.__cause__))
    finally:
        if status != "away":
            server.close()
    assert texts
    assert "hunter" not in "".join(texts) + "".join(capsys.readouterr())


def test_a_version_names_the_release() -> None:
    assert download.URL.format(version="1.7.3", kafka=download.KAFKA_OF_RELEASE).endswith(
        "/1.7.3/automq-1.7.3_kafka-3.9.1.tgz"
    )
