"""AutoMQ's releases, fetched once and kept unpacked below the cache folder."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
from pathlib import Path

import requests

from cutover_harness.errors import UsageError
from cutover_harness.masking import masked
from cutover_harness.testbed.base import Progress
from cutover_harness.testbed.jars import cache_folder

URL = "https://github.com/AutoMQ/automq/releases/download/{version}/automq-{version}_kafka-{kafka}.tgz"
"""Where releases lie; the second version is that of the Kafka which the release is based on."""
KAFKA_OF_RELEASE = "3.9.1"
UNVERIFIED = "unverified"
"""Given in a checksum's place: take what the address gives."""
_TIMEOUT_S = 30
_PIECE = 1 << 20


def fetch(url: str | None, version: str | None, sha256: str | None, progress: Progress) -> Path:
    """Return the folder of the unpacked release, from the cache or from the network.

    `sha256`: the checksum that the archive must have, or UNVERIFIED to accept any content.
    Raises UsageError if no checksum is given, the address cannot be reached, or what it gives is not the archive
    that is expected. No text has the passwords or tokens of the address.
    """
    address = url or URL.format(version=version, kafka=KAFKA_OF_RELEASE)
    if sha256 is None:
        raise UsageError(
            f"{masked(address)}: brokers are run from this download, so its checksum is needed: add "
            f"--automq-sha256 HEX, or --automq-sha256 {UNVERIFIED} to trust the address; its SHA-256 is then shown"
        )
    key = hashlib.sha256(f"{address}\0{sha256.lower()}".encode()).hexdigest()[:16]
    folder = cache_folder() / "automq" / key
    if not folder.is_dir():
        progress(f"fetching {masked(address)} into {folder.parent} (once)")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as scratch:
                archive = Path(scratch, "archive.tgz")
                found = _download(address, archive, sha256)
                _unpack(archive, Path(scratch, "unpacked"), masked(address))
                progress(f"SHA-256 {found}" + (", not verified" if sha256.lower() == UNVERIFIED else ", as expected"))
                _put(Path(scratch, "unpacked"), folder)
        except OSError as why:  # also requests' errors
            raise UsageError(
                f"cannot fetch AutoMQ from {masked(address)} ({masked(_reason(why))}): download it where the network "
                f"allows, unpack it and use --automq-home, or name a mirror with --automq-url"
            ) from None  # requests' own error has the whole address
    inside = [entry for entry in folder.iterdir() if entry.is_dir()]
    return inside[0] if len(inside) == 1 and not (folder / "libs").is_dir() else folder


def _download(address: str, archive: Path, sha256: str) -> str:
    digest = hashlib.sha256()
    try:
        with requests.get(address, stream=True, timeout=_TIMEOUT_S) as answer, archive.open("wb") as file:
            answer.raise_for_status()
            for piece in answer.iter_content(_PIECE):
                digest.update(piece)
                file.write(piece)
    except (requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema, requests.exceptions.InvalidURL):
        raise UsageError(f"--automq-url {masked(address)}: expected an http or https address") from None
    if sha256.lower() not in {UNVERIFIED, digest.hexdigest()}:
        raise UsageError(
            f"{masked(address)}: SHA-256 is {digest.hexdigest()}, not that of --automq-sha256; nothing of it was kept"
        )
    return digest.hexdigest()


def _unpack(archive: Path, folder: Path, address: str) -> None:
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError) as why:
        raise UsageError(f"{address}: is no tar archive, or one that is cut off or unsafe ({why})") from why


def _put(unpacked: Path, folder: Path) -> None:
    """Move the folder into place in one step; another tool may have been first."""
    try:
        unpacked.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        shutil.rmtree(unpacked)


def _reason(why: OSError) -> str:
    if isinstance(why, requests.HTTPError) and why.response is not None:
        return f"HTTP {why.response.status_code}"
    error: BaseException = why
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
