"""Finding the engine, and why it cannot be built."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import MissingPart, OpsError
from quartermaster.infra.setup import cache, engine


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path


def program(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {says}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("version", "taken"),
    [
        (engine.VERSION, True),
        ("3.999.0", True),
        ("3.100.0", False),
        ("4.0.0", False),
        ("3.999.0-alpha.1", True),
        ("", False),
    ],
)
def test_adequate_is_ours_or_newer_of_the_same_major(version: str, taken: bool) -> None:
    assert engine.adequate(version) is taken


def test_an_adequate_program_on_path_is_used(tmp_path: Path) -> None:
    ours = program(tmp_path / "bin/pulumi", "v3.999.0")
    assert engine.find() == ours
    assert engine.ensure() == ours


def test_an_old_program_on_path_gives_way_to_ours(tmp_path: Path) -> None:
    program(tmp_path / "bin/pulumi", "v3.1.0")
    assert engine.find() is None
    ours = program(engine.home() / "bin/pulumi", engine.VERSION)
    assert engine.find() == ours


def test_a_program_that_does_not_run_is_no_engine(tmp_path: Path) -> None:
    (tmp_path / "bin/pulumi").write_text("not a program")
    (tmp_path / "bin/pulumi").chmod(0o755)
    assert engine.find() is None


@pytest.mark.parametrize(
    ("go", "free_gib", "why_not"),
    [("", 9, "no Go on PATH"), ("1.19.8", 9, "1.19.8 is too old"), ("1.26.8", 1, "1.0 GiB free"), ("1.26.8", 9, "")],
)
def test_why_it_cannot_be_built(go: str, free_gib: int, why_not: str) -> None:
    said = engine.obstacle(go, free_gib * 2**30)
    assert why_not in said
    assert bool(said) is bool(why_not)


def test_without_release_and_go_the_remedy_is_named_and_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_download", lambda bench, say: "no answer")
    monkeypatch.setattr(engine, "find_go", lambda: None)
    with pytest.raises(MissingPart, match="no Go on PATH") as caught:
        engine.ensure()
    assert "install Go" in caught.value.remedy
    assert [path.name for path in engine.home().parent.iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("fails", "told"),
    [
        (
            "list",
            "error: go list -deps github.com/pulumi/pulumi/pkg/v3/cmd/pulumi failed (1):\nproxy: no route\n"
            "  remedy: see that Go reaches its modules (GOPROXY), then run `ops setup` again\n",
        ),
        ("build", "error: go build failed (1):\nproxy: no route\n  remedy: run `ops setup` again\n"),
    ],
)
def test_a_go_that_fails_is_told_with_what_to_do(
    fails: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = tmp_path / "bin/go"
    go.write_text(f'#!/bin/sh\n[ "$1" != {fails} ] || {{ echo "proxy: no route" >&2; exit 1; }}\n')
    go.chmod(0o755)
    monkeypatch.setattr(engine, "find_go", lambda: str(go))
    monkeypatch.setattr(engine, "obstacle", lambda *_: "")
    with pytest.raises(OpsError) as failed:
        engine._build(tmp_path, lambda _: None)
    assert render(failed.value) == told


def test_a_release_is_installed_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    script = f"#!/bin/sh\necho v{engine.VERSION}\n".encode()
    monkeypatch.setattr(engine, "_open", lambda url: io.BytesIO(archive({"pulumi/pulumi": script, "../evil": b"x"})))
    found = engine.ensure()
    assert found == engine.home() / "bin/pulumi"
    assert sorted(path.name for path in (engine.home() / "bin").iterdir()) == ["pulumi"]
    assert (engine.home() / "pulumi").resolve() == found


def test_a_release_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    script = b"#!/bin/sh\necho v3.0.0\n"
    monkeypatch.setattr(engine, "_open", lambda url: io.BytesIO(archive({"pulumi/pulumi": script})))
    with pytest.raises(OpsError) as told:
        engine.ensure()
    assert render(told.value) == (
        f"error: the engine just made says it is 3.0.0, not {engine.VERSION}\n  remedy: {engine.REMEDY}\n"
    )
    assert engine.find() is None


def archive(files: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as out:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return held.getvalue()


def test_what_a_killed_build_left_goes_before_the_next(tmp_path: Path) -> None:
    stale = tmp_path / "x/.build-old/read-only"
    stale.mkdir(parents=True)
    (stale / "file").touch()
    stale.chmod(0o500)
    with cache.workbench(tmp_path / "x/part") as bench:
        assert not stale.exists()
    assert not bench.exists()


def test_a_lock_is_seen_while_it_is_held(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert not cache.is_locked(lock)
    with cache.locked(lock):
        assert cache.is_locked(lock)
    assert not cache.is_locked(lock)
