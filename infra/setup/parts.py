"""The parts that set-up brings, in one table: when each is there, what it waits for, and how it is brought."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quartermaster.infra.setup import basetree, engine, language, packages, venv
from quartermaster.infra.setup.machine import Say

__all__ = ["PARTS", "Part", "Wish"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What this set-up is for."""

    home: Path
    """The project's folder."""
    browser: bool = False
    """Whether tests will look at pages."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing to have. ``ready`` and ``skip`` are reads; ``bring`` raises OpsError."""

    name: str
    ready: Callable[[Wish], bool]
    bring: Callable[[Wish, Say], object]
    waits_for_packages: Callable[[Wish], bool]
    """Whether it can only begin when the system packages are there."""
    skip: Callable[[Wish], str] = lambda _: ""
    """Why this machine goes without it; empty where it does not."""


def _downloads_wait(wish: Wish) -> bool:
    return packages.blocking(packages.missing(browser=wish.browser))


def _bring_engine(_: Wish, say: Say) -> None:
    engine.ensure(say)
    language.ensure(say)


def _no_lock(wish: Wish) -> str:
    return "" if venv.is_checkout(wish.home) else "installed as a package, its dependencies came with it"


def _hosts_cannot_run(_: Wish) -> str:
    return basetree.obstacle()


PARTS = (
    Part(
        "packages",
        ready=lambda wish: not packages.missing(browser=wish.browser),
        bring=lambda wish, say: packages.ensure(browser=wish.browser, say=say),
        waits_for_packages=lambda _: False,
    ),
    Part(
        "venv",
        ready=lambda wish: venv.ready(wish.home),
        bring=lambda wish, say: venv.ensure(wish.home, say),
        waits_for_packages=_downloads_wait,
        skip=_no_lock,
    ),
    Part(
        "engine",
        ready=lambda _: engine.find() is not None and language.find() is not None,
        bring=_bring_engine,
        waits_for_packages=_downloads_wait,
    ),
    Part(
        "base tree",
        ready=lambda _: basetree.path().is_dir(),
        bring=lambda _, say: basetree.ensure(say),
        waits_for_packages=lambda _: True,
        skip=_hosts_cannot_run,
    ),
)
