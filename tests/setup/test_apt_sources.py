"""Reading /etc/apt in both notations."""

from __future__ import annotations

from pathlib import Path

from quartermaster.infra.setup.apt_sources import (
    Source,
    debian_sources,
    parse_deb822,
    parse_one_line,
    read_sources,
    render,
)

MIRROR = "http://mirror.example/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DEB822 = f"""Types: deb
# where it was taken from
URIs: {MIRROR}
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: {KEYRING}

Types: deb-src
URIs: {MIRROR}
Suites: bookworm
Components: main

Enabled: no
Types: deb
URIs: {MIRROR}
Suites: sid
Components: main
"""


def test_one_line_keeps_options_apart_from_the_address() -> None:
    text = f"deb [arch=amd64 signed-by={KEYRING}] {MIRROR} bookworm main contrib # ours\n"
    assert parse_one_line(text) == [Source(MIRROR, "bookworm", ("main", "contrib"), KEYRING)]


def test_one_line_passes_over_comments_and_sources() -> None:
    assert parse_one_line(f"# deb {MIRROR} bookworm main\ndeb-src {MIRROR} bookworm main\n\n") == []


def test_deb822_gives_one_source_per_suite_and_leaves_disabled_ones() -> None:
    components = ("main", "contrib")
    assert parse_deb822(DEB822) == [
        Source(MIRROR, "bookworm", components, KEYRING),
        Source(MIRROR, "bookworm-updates", components, KEYRING),
    ]


def test_deb822_keeps_an_inline_key() -> None:
    block = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc=\n -----END PGP PUBLIC KEY BLOCK-----"
    text = f"Types: deb\nURIs: {MIRROR}\nSuites: bookworm\nComponents: main\nSigned-By:\n {block}\n"
    [source] = parse_deb822(text)
    assert source.signed_by == block
    assert parse_deb822(render([source])) == [source]


def test_both_notations_are_read_from_their_folders(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(f"deb {MIRROR} bookworm main\n")
    (tmp_path / "sources.list.d/more.sources").write_text(DEB822)
    (tmp_path / "sources.list.d/off.list.disabled").write_text(f"deb {MIRROR} sid main\n")
    assert [source.suite for source in read_sources(tmp_path)] == ["bookworm", "bookworm", "bookworm-updates"]


def test_only_debians_own_sources_count() -> None:
    ours = [
        Source(MIRROR, "bookworm", ("main",), KEYRING),
        Source("http://mirror.example/debian-security/", "bookworm-security", ("main",)),
    ]
    others = [
        Source(MIRROR, "trixie", ("main",), KEYRING),
        Source(MIRROR, "bookworm", ("contrib",), KEYRING),
        Source("http://vendor.example/debian", "bookworm", ("main",), "/usr/share/keyrings/vendor.gpg"),
        Source("http://vendor.example/linux", "bookworm", ("main",)),
    ]
    assert debian_sources([*others, *ours], "bookworm") == ours


def test_rendered_sources_read_back_with_main_alone() -> None:
    assert parse_deb822(render(parse_deb822(DEB822))) == [
        Source(MIRROR, "bookworm", ("main",), KEYRING),
        Source(MIRROR, "bookworm-updates", ("main",), KEYRING),
    ]
