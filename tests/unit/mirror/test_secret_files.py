"""Secrets of connectors in files instead of in their configurations."""

import stat
from pathlib import Path

import pytest
from cutover_harness.mirror import MirrorError
from cutover_harness.mirror.secret_files import SecretFiles, beside_references, in_the_clear, provider_properties

CONFIG = {
    "source.cluster.sasl.jaas.config": 'Login required password="p w\n\u00fc";',
    "target.cluster.sasl.jaas.config": "${file:/run/secrets:jaas}",
    "target.cluster.ssl.truststore.certificates": "CA",
    "topics": "orders",
}


def test_secrets_are_replaced_by_references(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    found, new = SecretFiles(folder).moved("c", CONFIG)
    assert new
    assert found["source.cluster.sasl.jaas.config"] == f"${{cutover:{folder}:c@source.cluster.sasl.jaas.config}}"
    assert found["target.cluster.sasl.jaas.config"] == "${file:/run/secrets:jaas}", "a reference stays"
    assert found["topics"] == "orders"
    file = folder / "c@source.cluster.sasl.jaas.config"
    assert file.read_text(encoding="utf-8") == CONFIG["source.cluster.sasl.jaas.config"]
    assert {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not in_the_clear(found)
    assert in_the_clear(CONFIG)
    assert str(folder) in provider_properties(folder).values(), "the worker reads this folder"


def test_a_secret_that_changes_is_noticed(tmp_path: Path) -> None:
    files = SecretFiles(tmp_path)
    assert files.moved("c", CONFIG)[1]
    assert not files.moved("c", CONFIG)[1]
    assert files.moved("c", {**CONFIG, "source.cluster.sasl.jaas.config": "other"})[1]


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("theirs")
    folder = tmp_path / "secrets"
    folder.mkdir()
    link = folder / "c@source.cluster.sasl.jaas.config"
    link.symlink_to(victim)
    SecretFiles(folder).moved("c", CONFIG)
    assert victim.read_text() == "theirs"
    assert not link.is_symlink()


def test_files_are_removed_with_their_connector(tmp_path: Path) -> None:
    files = SecretFiles(tmp_path)
    for connector in ("cutover-a", "cutover-a-source", "cutover-a.b"):
        files.moved(connector, CONFIG)
    files.remove("cutover-a")
    assert {file.name.partition("@")[0] for file in tmp_path.iterdir()} == {"cutover-a-source", "cutover-a.b"}


def test_a_folder_that_a_reference_cannot_name(tmp_path: Path) -> None:
    with pytest.raises(MirrorError, match="must not have ':'"):
        SecretFiles(tmp_path / "a:b")


def test_a_secret_next_to_a_reference_is_no_reference() -> None:
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required tokenauth=true"
    half = {"sasl.jaas.config": f'{login} username="${{file:/x:user}}" password="hunter2hunter2";'}
    whole = {"sasl.jaas.config": f'{login} username="u" password="${{file:/x:password}}";'}
    assert in_the_clear(half)
    assert beside_references(half)
    assert not in_the_clear(whole)
    assert not beside_references(whole)
    assert not beside_references(CONFIG)
