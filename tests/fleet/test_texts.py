"""What users read of what the shared parts refuse or cannot do: message, faults and remedy, whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from quartermaster.fleet import aws, deb, leases_shared, store, write_probe
from quartermaster.fleet.hosts import Hosts
from quartermaster.fleet.leases import Lease, LeaseRow, _grant
from quartermaster.fleet.leases_shared import SharedLeases
from quartermaster.fleet.load import Load
from quartermaster.fleet.price_file import read_own
from quartermaster.fleet.price_list import fetch_prices
from quartermaster.fleet.prices import load_prices
from quartermaster.fleet.schema import Fleet, find_fleet, load_fleet
from quartermaster.fleet.schema.edit import with_schedule
from quartermaster.fleet.workspace import Workspace
from quartermaster.fleet.write_probe import Login
from quartermaster.fleet.zonal_shift import Shift, ZonalShifts
from tests.reads import reads

PRICES = '{"version": 1, "dated": "2026-11-22", "instance_hour": {"eu-west-1": {"m6i.large": "dear"}}}'
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


class Arc(Answering):
    exceptions = SimpleNamespace(ResourceNotFoundException=type("ResourceNotFoundException", (Exception,), {}))

    def get_paginator(self, _: str) -> Any:
        return self


def cloud(answer: Any) -> Any:
    return SimpleNamespace(client=lambda _: Arc(answer), fleet="shop", stack="dev")


def shifts(answer: Any) -> ZonalShifts:
    return ZonalShifts(cloud(answer), {"web": "shop-dev-web"})


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
        lambda _: shifts(denied()).cancel(Shift("z-1", "eu-west-1a", datetime.now(UTC), "")),
        "error: AWS refused to end the zonal shift z-1: An error occurred (AccessDeniedException) when calling the "
        "Act operation: no\n  remedy: ops iam policy --for drill prints the rights it takes; ops provision up switches "
        "shifts on\n",
    ),
    "a zonal shift of a silent cloud": (
        lambda _: shifts(EndpointConnectionError(endpoint_url="https://arc.example")).cancel(
            Shift("z-1", "eu-west-1a", datetime.now(UTC), "")
        ),
        "error: AWS could not be asked to end the zonal shift z-1: Could not connect to the endpoint URL: "
        '"https://arc.example"\n  remedy: ops iam policy --for drill prints the rights it takes; ops provision up '
        "switches shifts on\n",
    ),
    "whether shifts are taken, without rights": (
        lambda _: shifts(denied()).managed("web"),
        "error: AWS refused to read the zonal shifts of web: An error occurred (AccessDeniedException) when "
        "calling the Act operation: no\n  remedy: ops iam policy --for drill prints the rights it takes; ops provision "
        "up switches shifts on\n",
    ),
    "hosts without rights": (
        lambda _: Hosts(cloud(denied())).groups(),
        "error: AWS refused: An error occurred (AccessDeniedException) when calling the Act operation: no\n"
        "  remedy: ops status, then resume or recover what was at work\n",
    ),
    "a price list without rights": (
        lambda _: fetch_prices(Answering(denied()), ["eu-west-1"], load_prices(own=False), datetime.now(UTC).date()),
        "error: the price list of AmazonEC2 cannot be read: An error occurred (AccessDeniedException) when calling the "
        "Act operation: no\n  remedy: the permission pricing:GetProducts\n",
    ),
    "no local cloud": (
        lambda folder: aws.connect(Fleet(fleet="shop"), "dev", Workspace(folder / "fleet.yaml")),
        "error: the local cloud is not running\n  remedy: ops local up\n",
    ),
    "no credentials": (
        lambda folder: signed_in(folder, denied("ExpiredToken")),
        "error: no usable AWS credentials for stack 'prod': An error occurred (ExpiredToken) when calling the Act "
        "operation: no\n  remedy: aws sso login, or set AWS_PROFILE\n",
    ),
    "credentials of another account": (
        lambda folder: signed_in(folder, {"get_caller_identity": {"Account": "210987654321"}}),
        "error: stack 'prod' belongs to account 123456789012, but these credentials are of 210987654321\n"
        "  remedy: use credentials of 123456789012 (AWS_PROFILE), or correct stacks.prod.account\n",
    ),
    "a scope that is in use": (
        lambda _: held_already(),
        "error: shop/dev/web is in use: run patch-1 by me on elsewhere (pid 77) holds shop/dev, last heartbeat "
        "09:30:00 UTC\n  remedy: wait for it, or `ops lease break --reason …` if you know that it is gone\n",
    ),
    "a lease that was broken": (
        lambda _: Lease(SimpleNamespace(binding=lambda _: set()), [1]).check(),  # type: ignore[arg-type]
        "error: our lease was broken or expired while we worked; nothing more was done\n"
        "  remedy: look who works there now (`ops status`), then resume\n",
    ),
    "prices that are no JSON": (
        lambda folder: read_own(written(folder / "prices.json", "{")),
        "error: {folder}/prices.json is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 "
        "(char 1)\n"
        "  remedy: delete the file, then ops prices update\n",
    ),
    "prices of another version": (
        lambda folder: read_own(written(folder / "prices.json", '{"version": 99}')),
        "error: {folder}/prices.json cannot be used\n  version: it is no price file of version 1\n"
        "      → delete the file, then ops prices update\n  remedy: delete the file, then ops prices update\n",
    ),
    "a price that is none": (
        lambda folder: read_own(written(folder / "prices.json", PRICES)),
        "error: {folder}/prices.json cannot be used\n  instance_hour.eu-west-1.m6i.large: 'dear' is no price\n"
        "      → delete the file, then ops prices update\n  source: it is missing\n"
        "      → delete the file, then ops prices update\n  remedy: delete the file, then ops prices update\n",
    ),
    "a call that the cloud refuses": (
        lambda _: aws.told(shift_refused),
        "error: AWS refused: An error occurred (AccessDeniedException) when calling the Act operation: no\n"
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


def signed_in(folder: Path, answer: Any) -> object:
    """Connect to AWS, where STS answers so."""
    fleet = Fleet.model_validate({"fleet": "shop", "stacks": {"prod": {"target": "aws", "account": "123456789012"}}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("boto3.Session", lambda **_: SimpleNamespace(client=lambda _: Answering(answer)))
        return aws.connect(fleet, "prod", Workspace(folder / "fleet.yaml"))


def held_already() -> object:
    at = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
    row = LeaseRow(1, "shop/dev", "patch-1", "me", "elsewhere", 77, "1", at, datetime.max.replace(tzinfo=UTC))
    return _grant(SimpleNamespace(open=lambda: [row]), ["shop/dev/web"], "patch-2")  # type: ignore[arg-type]


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
    reads(lambda: cause(tmp_path), text.replace("{folder}", str(tmp_path)))
