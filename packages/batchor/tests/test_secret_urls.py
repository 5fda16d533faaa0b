"""Passwords in URLs."""

import pytest

from batchor.secret_urls import holds_secret, masked


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:canary@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql://:canary@host/db", "postgresql://:***@host/db"),
        ("postgresql://me:ca/n@r?y@host/db", "postgresql://me:***@host/db"),
        ("postgresql://host/db?user=me&password=canary", "postgresql://host/db?user=me&password=***"),
        ("postgresql://host/db?sslpassword=canary&x=1", "postgresql://host/db?sslpassword=***&x=1"),
        ("s3://bucket/runs?secret_access_key=canary", "s3://bucket/runs?secret_access_key=***"),
        ("acme://host/x?Access-Token=canary#top", "acme://host/x?Access-Token=***#top"),
    ],
)
def test_a_password_is_replaced_and_nothing_else(url: str, shown: str) -> None:
    assert masked(url) == shown
    assert holds_secret(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me@host:5432/db?sslmode=require&design=1",
        "postgresql:///db",
        "sqlite:////var/lib/runs.sqlite3",
        "s3://bucket/prefix@2?region=eu",
        "runs/a:b@c",
    ],
)
def test_what_holds_no_secret_stays_as_it_is(url: str) -> None:
    assert masked(url) == url
    assert not holds_secret(url)
