"""The bundle: same in, same bytes out; everything a host needs is in it."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.schema import Fleet
from quartermaster.playbooks.bundle import build


def fleet(**more: Any) -> Fleet:
    return Fleet.model_validate({"fleet": "shop", "clusters": {"web": {"balancer": {"port": 8080}}}, **more})


def contents(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]


def test_the_same_fleet_gives_the_same_bytes() -> None:
    first = build(fleet()).content
    assert first == build(fleet()).content
    assert first[4:8] == bytes(4)  # gzip's own time stamp (RFC 1952)


def test_its_last_file_says_that_it_was_unpacked_to_the_end() -> None:
    assert [*contents(build(fleet()).content)][-1] == "whole"


def test_another_setting_gives_another_name() -> None:
    assert build(fleet()).sha256 != build(fleet(ansible={"vars": {"web_root": "/srv/shop"}})).sha256


def test_nothing_of_the_machine_gets_in() -> None:
    with tarfile.open(fileobj=io.BytesIO(build(fleet()).content)) as archive:
        assert {(entry.mtime, entry.uid, entry.gid, entry.uname, entry.mode) for entry in archive} == {
            (0, 0, 0, "", 0o644)
        }


def test_playbooks_roles_and_settings_are_in_it() -> None:
    found = contents(build(fleet()).content)
    assert {"site.yml", "roles/base/tasks/main.yml", "roles/base/library/ops_identity.py", "vars/web.json"} <= set(
        found
    )
    assert not [name for name in found if "__pycache__" in name]
    assert json.loads(found["vars/web.json"])["web_port"] == 8080


def test_hosts_keep_connections_longer_than_the_balancer_that_they_stand_behind() -> None:
    weighted = {"algorithm": "weighted", "weights": {"web": 9, "canary": 1}, "idle_seconds": 100, "port": 8080}
    found = contents(build(fleet(clusters={"web": {"balancer": weighted}, "canary": {"role": "web"}})).content)
    for name in ("web", "canary"):
        settings = json.loads(found[f"vars/{name}.json"])
        assert (settings["web_port"], settings["web_keepalive_seconds"]) == (8080, 115)


def test_own_variables_win() -> None:
    found = contents(build(fleet(ansible={"vars": {"web_port": 81}})).content)
    assert json.loads(found["vars/web.json"])["web_port"] == 81


def test_an_own_role_stands_in_for_ours_as_a_whole(tmp_path: Path) -> None:
    tasks = tmp_path / "roles/web/tasks"
    tasks.mkdir(parents=True)
    (tasks / "main.yml").write_text("---\n[]\n")
    found = contents(build(fleet(ansible={"roles_path": "roles"}), tmp_path).content)
    assert [name for name in found if name.startswith("roles/web/")] == ["roles/web/tasks/main.yml"]


def test_an_unknown_role_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError) as caught:
        build(fleet(clusters={"web": {"role": "mail"}}))
    assert caught.value.faults[0].where == "clusters.web.role"
    assert "balancer, base, node_exporter, postgres, web" in caught.value.faults[0].remedy


def test_a_missing_folder_of_roles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        build(fleet(ansible={"roles_path": "nowhere"}), tmp_path)


def test_unpacking_twice_gives_the_same_folder(tmp_path: Path) -> None:
    bundle = build(fleet())
    assert bundle.unpack(tmp_path) == bundle.unpack(tmp_path)
    assert (tmp_path / bundle.sha256 / "site.yml").exists()
