"""Which addresses are handed to git."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bugcommand_operator.core.repository_url import (
    PATTERN,
    RepositoryURL,
    parse_repository_url,
    url_problem,
)

GOOD = [
    "https://github.com/mentu/shop.git",
    "https://git.example.test:8443/a/b/c",
    "https://10.0.0.7/x.git",
    "https://127.0.0.1:3000/x.git",
    "https://[fd12::1]:3000/x.git",
    "https://[::1]/x.git",
    "http://gitea.gitea.svc.cluster.local:3000/a/b.git",
    "https://example.test/~user/a+b/c%20d.git",
    "https://example.test/a@b.git",
    "https://host_with_underscore/x",
    "https://1a.example/x",
    "https://0x7f.example.test/x",
]
BAD = [
    "", "https://", "https:///host/x.git", "https://host", "https://host/", "HTTPS://host/x", "host:path/x.git",
    "git@github.com:a/b.git", "ssh://git@github.com/a.git", "ssh://-oProxyCommand=evil/x", "git://host/x",
    "file:///etc", "/etc/passwd", "ext::sh -c id", "ext::https://host/x", "https::https://host/x", "-u https://host/x",
    "--upload-pack=evil", "https://--upload-pack=evil/x", "https://-host/x", "https://host-/x", "https://host/--upload-pack=x",
    "https://host/a/-x", "https://user@host/x", "https://user:token@host/x", "https://@host/x", "https://a@b@host/x",
    "https://host\\@evil.tld/x", "https://host/x y", "https://host/x\ny", "https://host/x\x00", "https://ho st/x", "https://host/ü",
    "https://host/x%0a", "https://host/x%0D%0A", "https://host/x%00", "https://host/x%7f", "https://host/x%2fy", "https://host/x%5cy",
    "https://host/x%", "https://host/x%2", "https://host/x%zz", "https://host/x?y=z", "https://host/x#y", "https://host/`id`",
    "https://host/../x", "https://host/a/../b", "https://host/%2e%2e/b", "https://host/.%2E/b", "https://host/./b",
    "https://host:/x", "https://host:0/x", "https://host:65536/x", "https://host:x/x", "https://host:80:80/x", "https://host:٣/x",
    "https://host..tld/x", "https://.host/x", "https://hôst/x", "https://host%2ecom/x",
    "https://169.254.169.254/x", "https://169.254.0.1/x", "https://169.254.169.254./x", "https://2852039166/x",
    "https://0xa9fea9fe/x", "https://0xA9.0xFE.0xA9.0xFE/x", "https://0251.0376.0251.0376/x", "https://169.254.43518/x",
    "https://169.16689662/x", "https://0/x", "https://0.0.0.0/x", "https://127.1/x", "https://1.2.3/x", "https://1.2.3.256/x",
    "https://01.2.3.4/x", "https://0x/x", "https://a.0x1/x", "https://[::ffff:169.254.169.254]/x", "https://[::ffff:a9fe:a9fe]/x",
    "https://[::ffff:1.2.3.4]/x", "https://[::169.254.169.254]/x", "https://[64:ff9b::a9fe:a9fe]/x", "https://[2002:a9fe:a9fe::1]/x",
    "https://[fe80::1]/x", "https://[fe80::1%25eth0]/x", "https://[fe80::1%eth0]/x", "https://[fd00:ec2::254]/x", "https://[::]/x",
    "https://[::1/x", "https://::1]/x", "https://[::1]x/x", "https://[]/x", "https://[zz]/x",
    "https://metadata.google.internal/x", "https://METADATA.google.internal./x", "https://metadata/x", "https://100.100.100.200/x",
    "https://host/" + "x" * 3000,
]  # fmt: skip


@pytest.mark.parametrize("url", GOOD)
def test_plain_addresses_are_accepted(url: str) -> None:
    assert url_problem(url) == ""
    assert re.match(PATTERN, url)


@pytest.mark.parametrize("url", BAD)
def test_everything_else_is_refused_with_a_sentence(url: str) -> None:
    assert len(url_problem(url)) > 10


def test_a_credential_only_goes_over_https() -> None:
    assert url_problem("http://git.example.test/x.git") == ""
    assert "https" in url_problem("http://git.example.test/x.git", has_credential=True)
    assert url_problem("https://git.example.test/x.git", has_credential=True) == ""


def test_what_a_credential_is_bound_to() -> None:
    parsed = parse_repository_url("https://GitHub.com.evil.TLD:8443/x.git")
    assert parsed == RepositoryURL("https", "github.com.evil.tld", "8443", "/x.git")
    assert isinstance(parsed, RepositoryURL)
    assert parsed.origin == "https://github.com.evil.tld:8443"


def test_files_are_only_for_tests() -> None:
    assert url_problem("file:///srv/x.git")
    assert url_problem("file:///srv/x.git", allow_file=True) == ""
    assert url_problem("file://../x.git", allow_file=True)


@given(st.text(max_size=60))
def test_no_text_is_too_odd_to_be_judged(text: str) -> None:
    for url in (text, f"https://{text}", f"https://host/{text}", f"https://[{text}]/x", f"https://host:{text}/x"):
        parsed = parse_repository_url(url)
        if isinstance(parsed, RepositoryURL):
            assert parsed.host
            assert url.isascii()
            assert url.isprintable()
            assert " " not in url


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_has_one_accepted_form(address: object) -> None:
    number = int(address)  # type: ignore[call-overload]
    for odd in (str(number), hex(number), f"0{number:o}", f"[::ffff:{address}]"):
        assert url_problem(f"https://{odd}/x")
    link_local = str(address).startswith(("169.254.", "0."))
    assert not link_local or url_problem(f"https://{address}/x")
