"""What may be shown of addresses and command lines."""

from __future__ import annotations

import pytest
from cutover_harness.masking import masked, masked_command


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://host/a.tgz", "https://host/a.tgz"),
        ("see https://u:p@host:8/a?token=t&y=2#f now", "see https://***@host:8/a?token=***&y=***#*** now"),
        ("https://t@host", "https://***@host"),
        ("https://u:p@w/x?y#z@host:8/a", "https://***@host:8/a"),
        ("redis://:p@w@[::1]:6379/0", "redis://***@[::1]:6379/0"),
        ("http://[::1]:8080/a@b", "http://***@b"),
        ("http://host:8080/a@b", "http://***@b"),
        ("https://host/a?sig", "https://host/a?***"),
        ("s3://bucket/x", "s3://bucket/x"),
        ("a@b.example 'https://host/p@th'", "a@b.example 'https://***@th'"),
        ("https://u:12/3@host/x", "https://***@host/x"),
        ("https://tok/en@host", "https://***@host"),
        ("jdbc:sqlserver://h:1;user=u;password=p/w now", "jdbc:sqlserver://h:1;user=***;password=*** now"),
        ("jdbc:oracle:thin:u/p@//h:1521/x", "jdbc:oracle:thin:***@//h:1521/x"),
    ],
)
def test_secrets_of_urls_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_secrets_of_options_are_masked() -> None:
    given = [
        "run",
        "--token",
        "abc",
        "--api-key=xyz",
        "--s3-credentials",
        "file",
        "--url=https://u:p@h/?t=1",
        "--seed",
        "3",
    ]
    shown = [
        "run",
        "--token",
        "***",
        "--api-key=***",
        "--s3-credentials",
        "file",
        "--url=https://***@h/?t=***",
        "--seed",
        "3",
    ]
    assert masked_command(given) == shown
