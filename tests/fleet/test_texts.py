"""What users read of what the shared parts refuse or cannot do: message, faults and remedy, whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from quartermaster.cli.errors import render
from quartermaster.fleet import aws, deb, leases_shared, store, write_probe
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.leases_shared import SharedLeases
from quartermaster.fleet.load import Load
from quartermaster.fleet.schema import Fleet, find_fleet, load_fleet
from quartermaster.fleet.schema.edit import with_schedule
from quartermaster.fleet.workspace import Workspace
from quartermaster.fleet.write_probe import Login
from quartermaster.fleet.zonal_shift import _asking

LOGIN = Login("db.example", 5432, "orders", "app", "secret")


class Answering:
    """A client whose every call is answered so."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**_: Any) -> Any:
            if isinstance(self._answer, Exception):
                raise self._answer
            return self._answer.get(name, {})

        return call


def denied(code: str = "AccessDeniedException") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Act")


def leases(answer: Any) -> SharedLeases:
    return SharedLeases(Answering(answer), "shop-ops-state", "shop")


def shifting() -> NoReturn:
    with _asking("end the zonal shift z-1"):
        raise denied()


def dead_load() -> None:
    with Load("http://127.0.0.1:9/") as load:
        assert load._child is not None
        load._child.kill()


def newer_journal(folder: Path) -> None:
    engine = store.open_engine(folder / "ops.db")
    with engine.begin() as db:
        db.exec_driver_sql(f"update {store._version.name} set version = 99")
    engine.dispose()
    store.open_engine(folder / "ops.db")


CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a lease table that is not there": (
        lambda _: leases(denied("ResourceNotFoundException")).held(),
        "error: there is no table of leases shop-ops-state\n  remedy: ops bootstrap\n",
    ),
    "a lease table without rights": (
        lambda _: leases(denied()).held(),
        "error: the table of leases shop-ops-state: An error occurred (AccessDeniedException) when calling the Act "
        "operation: no\n  remedy: ops iam policy prints the rights it takes\n",
    ),
    "a lease table that is silent": (
        lambda _: leases(EndpointConnectionError(endpoint_url="https://dynamodb.example")).held(),
        "error: the table of leases shop-ops-state does not answer: Could not connect to the endpoint URL: "
        '"https://dynamodb.example"\n  remedy: try again\n',
    ),
    "a lease table that others write all the time": (
        lambda _: leases_of_others(),
        "error: 20 times others wrote shop-ops-state first\n  remedy: run the command again\n",
    ),
    "a zonal shift without rights": (
        lambda _: shifting(),
        "error: AWS did not let us end the zonal shift z-1: An error occurred (AccessDeniedException) when calling the "
        "Act operation: no\n  remedy: ops iam policy --for drill prints the rights it takes; ops provision up switches "
        "shifts on\n",
    ),
    "no local cloud": (
        lambda folder: aws.connect(Fleet(fleet="shop"), "dev", Workspace(folder / "fleet.yaml")),
        "error: the local cloud is not running\n  remedy: ops local up\n",
    ),
    "a call that the cloud refuses": (
        lambda _: aws.told(shift_refused),
        "error: the cloud refused: An error occurred (AccessDeniedException) when calling the Act operation: no\n"
        "  remedy: ops status, then resume or recover what was at work\n",
    ),
    "a load without measure, on a stranger": (
        lambda _: Load("http://203.0.113.9/", rate_per_second=0, connections=-1),
        "error: refused to load http://203.0.113.9/: 0 is out of bounds; -1 is out of bounds; 203.0.113.9 is neither "
        "loopback nor private\n  rate_per_second: 0 is out of bounds\n      → above 0, at most 2000\n"
        "  connections: -1 is out of bounds\n      → above 0, at most 256\n"
        "  url: 203.0.113.9 is neither loopback nor private\n      → the address of a balancer of the local cloud\n",
    ),
    "a load on a name": (
        lambda _: Load("http://shop.example/"),
        "error: refused to load http://shop.example/: 'shop.example' is a name, not an address of this machine or of "
        "its local cloud\n  url: 'shop.example' is a name, not an address of this machine or of its local cloud\n"
        "      → the address of a balancer of the local cloud\n",
    ),
    "a load that is killed": (
        lambda _: dead_load(),
        "error: the load on http://127.0.0.1:9/ died (status -9): its counts are not whole\n",
    ),
    "a journal's URL that is none": (
        lambda _: store.open_url("the cellar"),
        "error: the journal's URL is none\n  remedy: postgresql://USER@HOST/DATABASE\n",
    ),
    "a journal in another database": (
        lambda _: store.open_url("mysql://me@db.example/ops"),
        "error: the journal cannot be kept in mysql\n  remedy: postgresql://USER@HOST/DATABASE\n",
    ),
    "a journal of a newer ops": (
        newer_journal,
        f"error: the journal has schema 99, from a newer ops; this one knows {store.SCHEMA}\n"
        "  remedy: update ops on this machine\n",
    ),
    "a journal that is a folder": (
        lambda folder: store.open_engine(folder),
        "error: the journal at {folder}: unable to open database file\n"
        "  remedy: it must be a file, in a folder that is yours to write\n",
    ),
    "a journal that is no database": (
        lambda folder: store.open_engine(written(folder / "ops.db", "no database, but of some length " * 99)),
        "error: the journal at {folder}/ops.db: file is not a database\n"
        "  remedy: something else wrote that file: move it away, and take the journal from a copy\n",
    ),
    "floors of an alias": (
        lambda _: with_schedule("clusters: {api: &one {size: {min: 1}}, web: *one}", "web", []),
        "error: clusters.web is an alias and cannot be edited in place\n  remedy: write the cluster out\n",
    ),
    "floors of a word": (
        lambda _: with_schedule("clusters: {web: three}", "web", []),
        "error: clusters.web is no mapping\n  remedy: ops validate\n",
    ),
    "floors of nobody": (
        lambda _: with_schedule("clusters: {web: {}}", "api", []),
        "error: there is no cluster 'api' to write a schedule for\n  remedy: name one of the file's clusters\n",
    ),
    "psql where there is none": (
        lambda _: write_probe.ask(LOGIN, "select 1", seconds=5),
        "error: psql to db.example: [Errno 2] No such file or directory: 'psql'\n"
        "  remedy: ops doctor: is psql on this machine?\n",
    ),
    "a package where dpkg is missing": (
        lambda folder: deb.build_deb("app", "1.0", {}, folder),
        "error: dpkg-deb is not installed\n  remedy: apt-get install dpkg\n",
    ),
    "psql that fails": (
        lambda folder: failing(folder / "psql", lambda: write_probe.ask(LOGIN, "select 1", seconds=60)),
        "error: psql to db.example: no luck\n  remedy: put right what it says; ops status tells of the database\n",
    ),
    "a package that dpkg cannot build": (
        lambda folder: failing(folder / "dpkg-deb", lambda: deb.build_deb("app", "1.0", {}, folder)),
        "error: dpkg-deb could not build app_1.0_all.deb: no luck\n"
        "  remedy: see that there is room, and that {folder} is yours to write\n",
    ),
    "no fleet.yaml from here up": (
        lambda folder: find_fleet(folder),
        "error: no fleet.yaml in {folder} or above\n  remedy: ops init writes one; or name it with --fleet PATH\n",
    ),
    "a fleet.yaml that went": (
        lambda folder: load_fleet(folder / "fleet.yaml"),
        "error: there is no {folder}/fleet.yaml\n  remedy: ops init writes one; or name it with --fleet PATH\n",
    ),
    "a fleet.yaml that is a folder": (
        lambda folder: load_fleet(folder),
        "error: {folder} cannot be read: [Errno 21] Is a directory: '{folder}'\n"
        "  remedy: a UTF-8 text file that you may read\n",
    ),
}


def shift_refused() -> NoReturn:
    raise denied()


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def failing(tool: Path, work: Callable[[], object]) -> object:
    """The work, where the tool that it calls fails."""
    written(tool, "#!/bin/sh\necho no luck >&2\nexit 1\n").chmod(0o755)
    return work()


def leases_of_others() -> None:
    with leases({"get_item": {}, "put_item": None}).hold(["dev"], run="patch-1"):
        pytest.fail("it was written")


@pytest.mark.parametrize("case", CASES)
def test_it_reads_so(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_shared, "_PATIENCE_SECONDS", 0.0)
    monkeypatch.setenv("PATH", str(tmp_path))
    cause, text = CASES[case]
    with pytest.raises(OpsError) as refused:
        cause(tmp_path)
    assert render(refused.value) == text.replace("{folder}", str(tmp_path))
