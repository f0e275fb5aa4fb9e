"""The machine's own Debian package sources, read from /etc/apt in both of apt's notations (sources.list(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Source", "debian_sources", "parse_deb822", "parse_one_line", "read_sources", "render"]

_ONE_LINE = re.compile(
    r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<components>(?:\s+\S+)*)$"
)


@dataclass(frozen=True, slots=True)
class Source:
    """One address, suite and its components: what one ``deb`` line says."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""
    """Path of a keyring, or an inline key block; empty: apt's trusted keys."""


def parse_one_line(text: str) -> list[Source]:
    """The ``deb`` lines of a ``.list`` file; ``deb-src``, comments and blank lines are passed over."""
    found = []
    for line in text.splitlines():
        match = _ONE_LINE.match(line.split("#", 1)[0].strip())
        if match:
            options = dict(part.split("=", 1) for part in (match["options"] or "").split() if "=" in part)
            components = tuple(match["components"].split())
            found.append(Source(match["uri"], match["suite"], components, options.get("signed-by", "")))
    return found


def parse_deb822(text: str) -> list[Source]:
    """The stanzas of a ``.sources`` file, one Source per address and suite; disabled and source-only ones are left."""
    found = []
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in {"no", "false", "0"}:
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                components = tuple(fields.get("components", "").split())
                found.append(Source(uri, suite, components, fields.get("signed-by", "")))
    return found


def _fields(stanza: str) -> Mapping[str, str]:
    """Field names in lower case to values; continuation lines are kept, comments dropped (deb822(5))."""
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in {" ", "\t"} and name:
            fields[name] = f"{fields[name]}\n{line}" if fields[name] else line.strip()
        elif ":" in line:
            name, value = line.split(":", 1)
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def read_sources(etc_apt: Path = Path("/etc/apt")) -> list[Source]:
    """Every source apt would use, in apt's order. Read-only."""
    return list(_read(etc_apt))


def _read(etc_apt: Path) -> Iterator[Source]:
    parts = etc_apt / "sources.list.d"
    listed = sorted(parts.iterdir()) if parts.is_dir() else []
    for path in [etc_apt / "sources.list", *listed]:
        if not path.is_file():
            continue
        if path.suffix == ".list":
            yield from parse_one_line(path.read_text())
        elif path.suffix == ".sources":
            yield from parse_deb822(path.read_text())


def debian_sources(sources: list[Source], codename: str) -> list[Source]:
    """Those that are Debian's own for ``codename``: its suites, with ``main``, from a Debian archive or mirror.

    Other vendors use the same suite names, so a keyring that is not Debian's rules a source out, and one
    without a keyring must lie in a folder named debian or debian-security, as mirrors do.
    """
    suites = {codename, f"{codename}-updates", f"{codename}-security", f"{codename}/updates"}
    return [s for s in sources if s.suite in suites and "main" in s.components and _is_debian(s)]


def _is_debian(source: Source) -> bool:
    if source.signed_by.startswith("/"):
        return Path(source.signed_by).name.startswith("debian-archive")
    return source.uri.rstrip("/").rsplit("/", 1)[-1].startswith("debian")


def render(sources: list[Source]) -> str:
    """The sources as a deb822 file, ``main`` alone: the base tree needs nothing else."""
    stanzas = []
    for source in sources:
        lines = ["Types: deb", f"URIs: {source.uri}", f"Suites: {source.suite}", "Components: main"]
        if source.signed_by:
            lines.append(f"Signed-By: {source.signed_by}")
        stanzas.append("\n".join(lines))
    return "\n\n".join(stanzas) + "\n"
