"""Every role on real hosts: a check before anything is there, a converge, a second one that changes nothing, and that
each does what it is for."""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quartermaster.fleet.schema import Fleet
from quartermaster.playbooks.configure import ConfigureResult
from tests.hosts.local_cluster import wait
from tests.hosts.role_hosts import RoleHosts, role_hosts

pytestmark = pytest.mark.hosts

CLUSTERS = {"shop": "web", "front": "balancer", "books": "postgres", "spare": "postgres"}
CERTIFICATE, KEY = "/etc/ssl/books.pem", "/etc/ssl/private/books.key"
WEB = """
- name: Bring the web server by the role that is replaced
  ansible.builtin.include_role: {name: base, tasks_from: packages}
  vars: {base_wanted: [nginx-light]}
- name: Write what the shop greets with
  ansible.builtin.copy: {content: "{{ shop_greeting }}", dest: /srv/greeting, mode: "0644"}
"""


def fleet(**more: Any) -> Fleet:
    clusters = {name: {"role": role} for name, role in CLUSTERS.items()}
    return Fleet.model_validate({"fleet": "roles", "clusters": clusters, **more})


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoleHosts]:
    with role_hosts(tmp_path_factory.mktemp("roles"), fleet()) as made:
        yield made


@pytest.fixture(scope="module")
def wanted(hosts: RoleHosts) -> Fleet:
    """Every role with settings of its own; the database speaks TLS alone."""
    books = hosts.addresses["books"]
    variables = {
        "base_users": [{"name": "ann", "keys": [hosts.public_key], "sudo": "ALL=(ALL) NOPASSWD: /usr/bin/id"}],
        "node_exporter_enabled": True,
        "node_exporter_flags": ["--no-collector.wifi"],
        "balancer_cluster": "shop",
        "balancer_check_seconds": 1,
        "postgres_primary": books,
        "postgres_replication_password": "it's: a\\secret",
        "postgres_replication_networks": [f"{hosts.addresses['spare']}/32"],
        "postgres_synchronous_standbys": 1,
        "postgres_archive_folder": "/srv/archive",
        "postgres_tls_certificate": CERTIFICATE,
        "postgres_tls_key": KEY,
        "postgres_tls_authority": CERTIFICATE,
    }
    return fleet(ansible={"vars": variables})


@pytest.fixture(scope="module")
def runs(hosts: RoleHosts, wanted: Fleet) -> list[ConfigureResult]:
    """A check of fresh hosts, a converge, and one more."""
    assert hosts.methods("shop") == "publickey,password"
    certify(hosts)
    done = [hosts.converge(wanted, check=True), hosts.converge(wanted), hosts.converge(wanted)]
    assert [host.error for run in done for host in run.hosts] == [""] * 12
    return done


def certify(hosts: RoleHosts) -> None:
    """Give the servers a certificate for the primary's address, which is its own authority."""
    made = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=books -keyout {KEY}"
    hosts.on("books", f"{made} -out {CERTIFICATE} -addext subjectAltName=IP:{hosts.addresses['books']}")
    for path in (CERTIFICATE, KEY):
        text = base64.b64encode(hosts.on("books", f"cat {path}").encode()).decode()
        hosts.on("spare", f"echo {text} | base64 -d >{path}")
    for name in ("books", "spare"):
        hosts.on(name, f"chmod 0711 /etc/ssl/private && chown postgres {KEY} && chmod 0600 {KEY}")


def ask(hosts: RoleHosts, name: str, sql: str) -> str:
    return hosts.on(name, f"cd / && timeout 20 runuser -u postgres -- psql -XAtqc {shlex.quote(sql)}")


def test_a_check_goes_through_on_hosts_that_were_never_converged(runs: list[ConfigureResult]) -> None:
    checked, converged, _ = runs
    assert {host.id: host.changed > 5 for host in checked.hosts} == {host.id: True for host in converged.hosts}


def test_the_second_converge_of_every_role_changes_nothing(runs: list[ConfigureResult]) -> None:
    _, _, second = runs
    assert [host.changes for host in second.hosts] == [()] * 4


def test_people_come_in_by_key_alone_and_may_do_what_they_were_given(
    hosts: RoleHosts, runs: list[ConfigureResult]
) -> None:
    assert hosts.methods("shop") == "publickey"
    assert hosts.ssh("shop", "ann", "sudo -n /usr/bin/id -un; sudo -n /usr/bin/true").splitlines()[0] == "root"
    assert "password is required" in hosts.ssh("shop", "ann", "sudo -n /usr/bin/true")


def test_the_node_exporter_tells_of_the_host(hosts: RoleHosts, runs: list[ConfigureResult]) -> None:
    told = hosts.on("front", f"curl -s http://{hosts.addresses['spare']}:9100/metrics")
    assert re.search(r'^node_uname_info\{.*nodename="ip-', told, re.MULTILINE)


def test_the_balancer_serves_through_and_a_drained_server_gets_nothing(
    hosts: RoleHosts, runs: list[ConfigureResult]
) -> None:
    shop, url = hosts.ids["shop"], f"http://{hosts.addresses['front']}/"
    code = f"curl -s -o /dev/null -w '%{{http_code}}' {url}"
    assert f"host {shop} in zone eu-west-1a" in hosts.on("books", f"curl -s {url}")
    assert hosts.on("front", f"balancer-server drain {shop} 5; service haproxy reload >/dev/null; sleep 0.5") == ""
    assert hosts.on("front", "balancer-server").split() == [shop, "DRAIN", "0"]
    assert hosts.on("books", code) == "503"
    hosts.on("front", f"balancer-server ready {shop}")
    assert hosts.on("books", code) == "200"


def test_a_balancer_that_converges_alone_keeps_its_servers(hosts: RoleHosts, runs: list[ConfigureResult]) -> None:
    alone = "ansible-playbook -i localhost, -c local site.yml -e cluster=front -e role=balancer"
    said = hosts.on("front", f"cd /opt/ops/bundles/current && {alone}")
    assert re.search(r"changed=0 .*failed=0", said), said
    assert hosts.on("front", "balancer-server").startswith(f"{hosts.ids['shop']} UP")


def test_a_server_that_is_not_healthy_gets_nothing(hosts: RoleHosts, runs: list[ConfigureResult]) -> None:
    state: Callable[[], str] = lambda: hosts.on("front", "balancer-server").split()[1]  # noqa: E731 - read twice
    hosts.on("shop", "service nginx stop")
    wait(lambda: state() == "DOWN")
    hosts.on("shop", "service nginx start")
    wait(lambda: state() == "UP")


def test_the_standby_streams_in_step_over_tls_and_its_slot(hosts: RoleHosts, runs: list[ConfigureResult]) -> None:
    said = ask(
        hosts, "books",
        "select state, sync_state, ssl, slot_name, active from pg_stat_replication join pg_stat_ssl using (pid)"
        " join pg_replication_slots on active_pid = pg_stat_replication.pid",
    )  # fmt: skip
    assert said == f"streaming|quorum|t|{hosts.ids['spare'].replace('-', '_')}|t"
    ask(hosts, "books", "create table sold as select 7 as many")
    # A commit waits until the standby has written it; what it shows follows at once.
    wait(lambda: ask(hosts, "spare", "select many from sold") == "7")
    assert ask(hosts, "spare", "select pg_is_in_recovery()") == "t"


def test_wal_segments_are_archived_whole(hosts: RoleHosts, runs: list[ConfigureResult]) -> None:
    segment = ask(hosts, "books", "select pg_walfile_name(pg_switch_wal())")
    wait(lambda: hosts.on("books", f"stat -c %s /srv/archive/{segment}") == str(16 * 2**20))
    assert ask(hosts, "books", "select failed_count from pg_stat_archiver") == "0"


def test_whom_no_rule_names_does_not_come_into_the_database(hosts: RoleHosts, runs: list[ConfigureResult]) -> None:
    tried = f"PGPASSWORD=x psql 'host={hosts.addresses['books']} user=replicator dbname=postgres' -c 'select 1'"
    assert "no pg_hba.conf entry" in hosts.on("spare", tried)


def test_an_own_role_stands_in_for_ours(hosts: RoleHosts, runs: list[ConfigureResult], tmp_path: Path) -> None:
    tasks = tmp_path / "web/tasks"
    tasks.mkdir(parents=True)
    (tasks / "main.yml").write_text(WEB)
    own = {"roles_path": str(tmp_path), "vars": {"shop_greeting": "hello"}}
    fleet = Fleet.model_validate({"fleet": "roles", "clusters": {"shop": {"role": "web"}}, "ansible": own})
    assert [host.error for host in hosts.converge(fleet).hosts] == [""]
    assert hosts.on("shop", "cat /srv/greeting; ls /opt/ops/bundles/current/roles/web") == "hellotasks"
