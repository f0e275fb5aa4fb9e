"""Valid fleets of every sort, for properties: hypothesis strategies of the tree that a fleet.yaml holds."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.schema import Fleet
from quartermaster.fleet.schema.load import read_text

__all__ = ["fleets", "small_fleets", "text_of"]

Tree = dict[str, Any]

_REGIONS = {"eu-west-1": 3, "us-east-1": 6, "us-west-2": 4, "ap-northeast-1": 3}
"""With how many zones each has."""
_RECOVERY = ("eu-central-1", "us-east-2")
_NAMES = ("web", "api", "a", "jobs-2", "reports-of-the-whole-week", "b2b-gateway-internal-x")
_DATABASES = ("orders", "sessions", "ledger-of-all-that-is-x", "d")
_BUCKETS = ("uploads", "invoices-of-every-year-x")
_INSTANCES = ("m6i.large", "m7g.large", "t3.micro", "c7g.xlarge")


def text_of(tree: Tree) -> str:
    """The tree as a fleet.yaml: JSON is YAML."""
    return json.dumps(tree)


def _maybe(strategy: st.SearchStrategy[Any], key: str) -> st.SearchStrategy[Tree]:
    """Half of the time the key with such a value, else nothing."""
    return st.one_of(st.just({}), strategy.map(lambda value: {key: value}))


@st.composite
def _balancer(draw: st.DrawFn) -> Tree:
    kind = draw(st.sampled_from(["application", "application", "network"]))
    shared = {
        "kind": kind,
        "drain_seconds": draw(st.integers(0, 300)),
        "check_seconds": draw(st.integers(5, 60)),
        "access_logs": draw(st.booleans()),
        "cross_zone": draw(st.booleans()),
        "internal": draw(st.booleans()),
    }
    if kind == "network":
        return {**shared, "algorithm": draw(st.sampled_from(["flow_hash", "source_ip"])), "port": 8080}
    algorithm = draw(st.sampled_from(["round_robin", "least_outstanding_requests", "weighted_random"]))
    more = draw(_maybe(st.integers(30, 900), "slow_start_seconds")) if algorithm == "round_robin" else {}
    if algorithm == "weighted_random":
        more = {"anomaly_mitigation": draw(st.booleans())}
    return {**shared, **more, "algorithm": algorithm, "sticky_seconds": draw(st.sampled_from([0, 300]))}


@st.composite
def _cluster(draw: st.DrawFn, zones: int, used: tuple[str, ...], most: int) -> Tree:
    least = draw(st.integers(zones, most))
    size = {"min": least, "max": draw(st.integers(least, 2 * most))}
    floor = st.integers(0, size["max"])
    recurring = st.fixed_dictionaries({"cron": st.sampled_from(["0 8 * * 1-5", "30 20 * * *"]), "min": floor})
    once = st.fixed_dictionaries(
        {"at": st.integers(0, 364).map(lambda day: f"2099-{1 + day % 12:02}-{1 + day % 28:02}T08:00:00Z"), "min": floor}
    )
    key = lambda entry: entry.get("at", entry.get("cron"))  # noqa: E731
    scaling = st.fixed_dictionaries(
        {
            "track": st.sampled_from(["cpu", "none"]),
            "predictive": st.sampled_from(["off", "forecast_only"]),
            "warm_hosts": st.integers(0, 1),
        }
    )
    return {
        "instance": draw(st.sampled_from(_INSTANCES)),
        "image": {"family": draw(st.sampled_from(["debian-12", "ubuntu-24.04", "amazon-linux-2023"]))},
        "size": size,
        "uses": draw(st.lists(st.sampled_from(used), unique=True)) if used else [],
        "disk_gib": draw(st.integers(20, 200)),
        **draw(_maybe(st.lists(st.one_of(recurring, once), max_size=4, unique_by=key), "schedule")),
        **draw(_maybe(scaling, "scaling")),
        **draw(_maybe(_balancer(), "balancer")),
    }


@st.composite
def _database(draw: st.DrawFn) -> Tree:
    if draw(st.booleans()):
        return {"engine": "dynamodb", "key": draw(st.sampled_from(["id", "session_id"]))}
    return {
        "engine": "postgres",
        "version": draw(st.sampled_from(["15", "16", "17"])),
        "storage_gib": draw(st.integers(20, 2000)),
        "standby": draw(st.booleans()),
        "replicas": draw(st.integers(0, 2)),
        **draw(_maybe(st.just({"work_mem": "65536"}), "parameters")),
    }


@st.composite
def _backups(draw: st.DrawFn, recovery: bool) -> Tree:
    copies = _maybe(st.just("recovery_region"), "copy_to") if recovery else st.just({})
    daily = {"name": "daily", "at": draw(st.sampled_from(["03:00", "23:30"])), "keep_days": 35, **draw(copies)}
    monthly = {"name": "monthly", "on": draw(st.integers(1, 28)), "keep_days": 365}
    lock = draw(st.sampled_from([{}, {"lock": {"mode": "governance", "min_days": 7}}, {"lock": None}]))
    return {
        **lock,
        "rules": draw(st.sampled_from([[daily], [daily, monthly]])),
        "restore_testing": draw(st.booleans()),
    }


def _few(names: tuple[str, ...], most: int, least: int = 0) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), min_size=least, max_size=most, unique=True)


@st.composite
def _trees(draw: st.DrawFn, *, clusters: int, databases: int, zones: int, hosts: int, least: int = 0) -> Tree:
    region = draw(st.sampled_from(sorted(_REGIONS)))
    of = draw(st.integers(2, min(zones, _REGIONS[region])))
    recovery = draw(st.sampled_from(["", *_RECOVERY]))
    network: Tree = {
        "cidr": f"10.{draw(st.integers(1, 199))}.0.0/{draw(st.integers(16, 18))}",
        "nat": draw(st.sampled_from(["per_zone", "single", "none"])),
        "endpoints": draw(st.lists(st.sampled_from(["s3", "dynamodb", "ssm"]), unique=True)),
    }
    data = {name: draw(_database()) for name in draw(_few(_DATABASES, databases))}
    objectives: Tree = {}
    if recovery and of <= 3 and draw(st.booleans()):
        network["recovery_cidr"] = "10.200.0.0/16"
        objectives = {name: {"region": {"rto": "60m", "rpo": "15m"}} for name in list(data)[:1]}
    buckets = {
        name: {"keep_old_days": draw(st.integers(1, 100)), "cold_after_days": draw(st.sampled_from([0, 30]))}
        for name in draw(_few(_BUCKETS, databases))
    }
    fleet = draw(st.from_regex(r"[b-hj-r](-?[a-z0-9]){0,15}", fullmatch=True))
    return {
        "fleet": fleet,
        "timezone": draw(st.sampled_from(["UTC", "Europe/Dublin", "America/St_Johns"])),
        "region": region,
        **({"recovery_region": recovery} if recovery else {}),
        "zones": of,
        "stacks": {
            "dev": {"protect": draw(st.booleans())},
            "prod": {"target": "aws", "account": "123456789012", "protect": draw(st.booleans())},
        },
        "network": network,
        **draw(_maybe(st.just({"zone": "shop.example", "name": "www"}), "dns")),
        "clusters": {
            name: draw(_cluster(of, (*data, *buckets), hosts)) for name in draw(_few(_NAMES, clusters, least))
        },
        "databases": data,
        "buckets": buckets,
        "backups": draw(_backups(bool(recovery))),
        **({"recovery": objectives} if objectives else {}),
        **draw(_maybe(st.just("create"), "account_baseline")),
    }


def _valid(tree: Tree) -> Fleet:
    """The fleet; a combination that the door refuses is none."""
    try:
        return read_text(text_of(tree)).fleet
    except InputError:
        assume(False)
        raise


def fleets() -> st.SearchStrategy[Fleet]:
    """Fleets of up to six zones, two clusters, two databases and two buckets."""
    return _trees(clusters=2, databases=2, zones=6, hosts=12).map(_valid)


def small_fleets() -> st.SearchStrategy[Tree]:
    """Trees of fleets that an engine makes in seconds: two zones, a cluster, a database."""

    def checked(tree: Tree) -> Tree:
        _valid(tree)
        return tree

    return _trees(clusters=1, databases=1, zones=2, hosts=2, least=1).map(checked)
