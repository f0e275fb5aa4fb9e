"""What a user reads who asks for what cannot be: the text, the remedy and the exit status of each command."""

from __future__ import annotations

from pathlib import Path

import pytest

from quartermaster.cli.main import run

FLEET = """\
fleet: shop
region: eu-west-1
stacks: {dev: {target: local}, prod: {target: aws, account: "123456789012", state: "s3://ops-state", protect: true}}
clusters: {web: {size: {min: 2, max: 6}}}
databases: {orders: {engine: postgres}}
"""
REFUSED = {
    "status --fleet nowhere": ("no fleet file at nowhere", "ops init"),
    "status --stack test": ("no stack 'test' in fleet shop", "--stack with one of: dev, prod"),
    "capacity plan": ("the store knows no cluster's demand", "ops metrics"),
    "capacity whatif --growth 20%": ("the store holds no metrics", "ops metrics import FILE or ops metrics sync"),
    "capacity whatif": ("no assumption to change", "--growth 20%"),
    "metrics sync --since soon": ("--since 'soon' is no instant", "a date such as 2026-01-01, or 30d"),
    "patch run web --override": ("--override needs a reason", "--reason"),
    "patch run api": ("no cluster or database 'api' in fleet.yaml", "web, orders"),
    "patch pause web": ("no patch run of web is under way", "ops patch status web"),
    "backup restore orders --to x": ("--to 'x' is no instant", "2026-03-01T12:00:00Z"),
    "backup restore orders --random --to 2026-03-01T12:00:00Z": ("--to and --random exclude each other", "one of them"),
    "backup restore orders --stack prod": ("stack prod is protected; a plain yes is not enough", "--confirm prod"),
    "backup restore orders --over-original --yes": ("orders is to be written over; a plain yes", "--again orders, too"),
    "backup restore orders --over-original --again users": ("orders is to be written over", "--again orders"),
    "backup restore orders --again orders": ("--again is for --over-original", "leave it out"),
    "backup restore orders --over-original --random --again orders": ("--random and --over-original exclude", "--to"),
    "backup run users": ("fleet shop has no PostgreSQL database 'users'", "one of: orders"),
    "drill run earthquake web": ("there is no drill 'earthquake'", "one of: instance_loss, zone_evacuation"),
    "drill run failover web": ("failover is a drill of a database: web is a cluster", "one of: orders"),
    "drill export drill-x --out chaos": ("no run 'drill-x' in the journal", "ops drill list"),
    "runbook run zone_outage web": ("a runbook is walked by a person, and nobody is here to ask", "ops drill run"),
    "runbook check --folder mine": ("no folder mine", "--folder"),
    "notify test": ("fleet.yaml names nobody to tell", "notify: [{kind: webhook"),
    "configure --exit-code": ("--exit-code tells whether there is drift", "--check"),
    "adopt --import": ("names nothing as adopted", "ops adopt"),
    "local packages add none.deb": ("no package file none.deb", "path of a .deb"),
    "history nothing": ("no run 'nothing' in the journal", "ops history lists them"),
    "history --since yesterday": ("yesterday", "30d"),
    "history verify fleet.yaml": ("fleet.yaml is no exported journal", "ops history export"),
    "lease break dev --reason=": ("breaking a lease needs a reason", "--reason"),
    "schedule show --month 2026-13": ("'2026-13' is no month", "YYYY-MM"),
    "schedule show --ics fleet.yaml": ("the file to update is no calendar", "another --ics FILE"),
    "scheduler install": ("units are yours to install", "--print"),
    "provision up --plan fleet.yaml": ("is no saved plan", "ops provision preview --save"),
    "metrics import fleet.yaml --as web": ("metrics file fleet.yaml ends in '.yaml'", "convert it to .parquet or .csv"),
    "forecast run --levels 2": ("2 is no probability between 0 and 1", "0.5,0.9,0.95,0.99"),
    "iam policy --for bootstrap": ("stack dev is local", "--stack with one whose target is aws"),
    "serve --host somewhere": ("'somewhere' is no address", "--host 127.0.0.1"),
    "rehearse patch web --fault fire": ("no fault 'fire'", "bad-package"),
}
"""What is typed, to a part of the error and a part of its remedy."""


@pytest.mark.parametrize("typed", REFUSED)
def test_it_is_refused_with_its_reason_and_remedy(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    status = run([*typed.split(), "--yes"])
    told = capsys.readouterr().err
    error, _, remedy = told.partition("error: ")[2].partition("remedy: ")
    assert status == 2, told
    assert REFUSED[typed][0] in error and REFUSED[typed][1] in remedy, told
    assert "Traceback" not in told
    assert not (tmp_path / ".ops/local").exists() or not any((tmp_path / ".ops/local").iterdir()), "nothing was begun"
