"""Wheel and source distribution, as users install them, and the recipe of the images."""

from __future__ import annotations

import email
import re
import shlex
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DOCKERFILE = (ROOT / "packaging/Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    for target in ("wheel", "sdist"):
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", folder],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


def requirements(wheel: Path) -> dict[str, list[str]]:
    """Return what a wheel requires, by extra; "" without one."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        headers = email.message_from_bytes(archive.read(name))
    found: dict[str, list[str]] = {extra: [] for extra in ["", *headers.get_all("Provides-Extra", [])]}
    for line in headers.get_all("Requires-Dist", []):
        what, _, marker = line.partition(";")
        extra = re.search(r"extra == '([\w-]+)'", marker)
        found[extra[1] if extra else ""].append(what.strip())
    return found


def test_the_shim_has_one_dependency(wheel: Path) -> None:
    assert [re.split(r"[<>=\[ ]", each)[0] for each in requirements(wheel)[""]] == ["confluent-kafka"]


def test_extras_are_those_of_the_documentation(wheel: Path) -> None:
    found = requirements(wheel)
    assert set(found) - {""} == {"automq", "dask", "docker", "docs", "harness", "kubernetes", "mutation", "test"}
    page = (ROOT / "docs/how-to/packages.md").read_text(encoding="utf-8")
    of_users = set(found) - {"", "docs", "mutation", "test"}
    assert set(re.findall(r"pip install 'kafka-cutover\[(\w+)\]'", page)) == of_users


def test_in_an_environment_of_its_own_the_shim_imports_and_the_command_says_what_is_missing(
    wheel: Path, tmp_path: Path
) -> None:
    """pip without dependencies, so that nothing is downloaded; the client comes from this environment."""
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    (site,) = home.glob("lib/python3*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)  # noqa: S202 - the wheel that was just built
    python = home / "bin/python"
    packages = Path(next(p for p in sys.path if (Path(p) / "confluent_kafka").is_dir()))
    for each in packages.glob("confluent_kafka*"):
        (site / each.name).symlink_to(each)
    client = subprocess.run([python, "-c", "import confluent_kafka"], capture_output=True, text=True, check=False)
    assert client.returncode == 0, client.stderr
    done = subprocess.run(
        [python, "-c", "import cutover_shim; print(cutover_shim.__version__)"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, PROJECT["version"]), done.stderr
    command = subprocess.run(
        [python, "-c", "from cutover_harness.cli import main; main()"], capture_output=True, text=True, check=False
    )
    assert command.returncode != 0
    assert "pip install 'kafka-cutover[harness]'" in command.stderr
    assert "Traceback" not in command.stderr


def test_the_wheel_has_the_data_that_the_packages_read(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    for package in (
        "shim/cutover_shim",
        "harness/cutover_harness",
        "scenarios/cutover_scenarios",
        "reports/cutover_reports",
    ):
        base = (ROOT / package).parent
        tracked = [p for p in (ROOT / package).rglob("*") if p.is_file() and "__pycache__" not in p.parts]
        assert [str(p) for p in tracked if str(p.relative_to(base)) not in inside] == []


def test_the_source_distribution_can_be_built_and_tested(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as content:
        names = {name.partition("/")[2] for name in content.getnames()}
    needed = {
        "Makefile",
        "constraints.txt",
        "mkdocs.yml",
        "docs_site/hooks.py",
        "packaging/Dockerfile",
        "docs/index.md",
        "scripts/mutation.py",  # `make mutation`
        "benchmarks/__main__.py",  # `make benchmark`; mypy checks it, too
    }
    assert needed | {"README.md", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md", "tests/conftest.py"} <= names


def copied(dockerfile: str) -> list[str]:
    """Return the sources of COPY that are in the repository."""
    words = [shlex.split(line)[1:] for line in dockerfile.splitlines() if line.startswith("COPY ")]
    return [source for line in words if not line[0].startswith("--from") for source in line[:-1]]


def test_the_images_copy_what_exists_and_nothing_else_is_needed_to_install(tmp_path: Path) -> None:
    """What `pip install .` reads is copied: hatchling builds a wheel from the copies alone."""
    sources = copied(DOCKERFILE)
    assert [source for source in sources if not (ROOT / source).exists()] == []
    for source in sources:
        (tmp_path / source).symlink_to(ROOT / source)
    subprocess.run([sys.executable, "-m", "hatchling", "build", "--target", "wheel"], cwd=tmp_path, check=True)


def test_a_copy_of_nothing_would_be_found() -> None:
    assert copied("COPY nowhere there\nCOPY --from=build /a /b\nCOPY a b ./\n") == ["nowhere", "a", "b"]


def commands(dockerfile: str) -> list[str]:
    """Return the shell commands of RUN, with continued lines joined."""
    joined = dockerfile.replace("\\\n", " ")
    return [line.removeprefix("RUN ") for line in joined.splitlines() if line.startswith("RUN ")]


def test_the_commands_of_the_images_parse() -> None:
    assert len(commands(DOCKERFILE)) == 3
    for command in commands(DOCKERFILE):
        subprocess.run(["/bin/sh", "-n", "-c", command], check=True)
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run(["/bin/sh", "-n", "-c", "if true"], check=True, capture_output=True)


def test_the_jars_of_the_image_are_those_of_a_rehearsal() -> None:
    from cutover_harness.testbed.process import CONNECT_VERSION, DEFAULT_SOURCE_VERSION, DEFAULT_TARGET_VERSION

    wanted = {("broker", DEFAULT_SOURCE_VERSION), ("broker", DEFAULT_TARGET_VERSION), ("connect", CONNECT_VERSION)}
    assert set(re.findall(r"\('(broker|connect)', '([\d.]+)'\)", DOCKERFILE)) == wanted


def test_the_python_of_the_images_is_supported() -> None:
    (version,) = re.findall(r"^ARG PYTHON=(.+)$", DOCKERFILE, flags=re.MULTILINE)
    assert f">={version}" == PROJECT["requires-python"]


def test_the_workflow_rehearses_and_posts_the_report() -> None:
    text = (ROOT / "packaging/github-actions.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    (job,) = workflow["jobs"].values()
    runs = [step["run"] for step in job["steps"] if "run" in step]
    assert any(run.startswith(f"pip install 'kafka-cutover[harness]=={PROJECT['version']}'") for run in runs)
    assert any("gh pr comment" in run and "rehearsal/report.md" in run for run in runs)
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}
    for run in runs:
        subprocess.run(["/bin/bash", "-n", "-c", run], check=True)
