"""What the roles become on Debian and on Red Hat's family, as Ansible itself works it out; Debian runs for real too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROLES = sorted((Path(__file__).parents[2] / "playbooks/roles").iterdir())
COMMON = {"ops_host_id": "i-0Ab", "ops_zone": "eu-west-1b", "ops_stack": "prod", "service_mgr": "systemd"}
FACTS = {
    "Debian": {**COMMON, "os_family": "Debian", "distribution": "Debian", "distribution_major_version": "12"},
    "RedHat": {**COMMON, "os_family": "RedHat", "distribution": "Amazon", "distribution_major_version": "2023"},
}
GIVEN = {
    "cluster": "shop", "role": "web", "ops_fleet": "shop", "ansible_check_mode": False,
    "postgres_primary": "books.internal", "postgres_replication_password": "secret", "base_patch_cycle": True,
    "postgres_tls_certificate": "/etc/ssl/books.pem", "postgres_settings": {"log_line_prefix": "it's %m"},
    "balancer_backends": [{"name": "a", "address": "10.0.0.1"}], "item": {"name": "ann", "keys": ["ssh-ed25519 AAAA"]},
    "base_users": [{"name": "ann", "keys": [], "sudo": "ALL=(ALL) ALL"}],
}  # fmt: skip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Family → every inner variable and, by its name without .j2, every template's text."""
    home = tmp_path_factory.mktemp("families")
    # Where the variables of role base look for their templates, out of the role.
    (home / "templates").symlink_to(Path(__file__).parents[2] / "playbooks/roles/base/templates")
    files = [str(role / part / "main.yml") for role in ROLES for part in ("defaults", "vars")]
    terms = {name: name for role in ROLES for name in YAML(typ="safe").load(role / "vars/main.yml")}
    sources = [template for role in ROLES for template in sorted((role / "templates").iterdir())]
    terms |= {source.stem: f"lookup('ansible.builtin.template', '{source}')" for source in sources}
    every = "{{ {" + ", ".join(f"'{name}': {term}" for name, term in terms.items()) + "} | to_json }}"
    book = []
    for family, facts in FACTS.items():
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars_files": files}
        task = {"ansible.builtin.copy": {"content": every, "dest": str(home / f"{family}.json")}}
        book.append({**play, "vars": {"ansible_facts": facts}, "tasks": [task]})
    (home / "book.yml").write_text(json.dumps(book))
    (home / "given.json").write_text(json.dumps(GIVEN))
    tool = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [tool, "-i", "localhost,", "-e", f"@{home / 'given.json'}", str(home / "book.yml")]
    environment = {"ANSIBLE_HOME": str(home), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {family: json.loads((home / f"{family}.json").read_text()) for family in FACTS}


def test_each_family_has_its_own_names_and_places(made: dict[str, dict[str, Any]]) -> None:
    debian, red_hat = made["Debian"], made["RedHat"]
    assert (debian["base_family"]["ssh"], red_hat["base_family"]["ssh"]) == ("ssh", "sshd")
    assert (debian["base_family"]["clock"]["service"], red_hat["base_family"]["clock"]["service"]) == (
        "chrony",
        "chronyd",
    )
    assert (debian["node_exporter_package"], red_hat["node_exporter_package"]) == (
        "prometheus-node-exporter",
        "node-exporter",
    )
    places = [
        (each["package"], each["data"], each["service"]) for each in (debian["postgres_here"], red_hat["postgres_here"])
    ]
    assert places == [
        ("postgresql-15", "/var/lib/postgresql/15/main", "postgresql@15-main"),
        ("postgresql15-server", "/var/lib/pgsql/data", "postgresql"),
    ]


def test_a_standby_reaches_the_primary_over_tls_by_a_slot_of_its_own(made: dict[str, dict[str, Any]]) -> None:
    told = made["RedHat"]["ops.conf"]
    assert "primary_slot_name = 'i_0ab'" in told
    assert "host=books.internal port=5432 user=replicator application_name=i_0ab" in told
    assert "passfile=/var/lib/pgsql/.ops-replication sslmode=require'" in told
    assert "log_line_prefix = 'it''s %m'" in told


def test_nobody_comes_over_the_network_whom_no_rule_names(made: dict[str, dict[str, Any]]) -> None:
    rules = [line for line in made["Debian"]["pg_hba.conf"].splitlines() if not line.startswith("#")]
    assert rules == ["local all all peer"]


def test_the_system_leaves_patching_to_the_cycle(made: dict[str, dict[str, Any]]) -> None:
    assert 'APT::Periodic::Enable "0";' in made["Debian"]["periodic.conf"]


def test_the_balancer_tries_nothing_twice(made: dict[str, dict[str, Any]]) -> None:
    told = made["Debian"]["haproxy.cfg"]
    assert "retries 0\n    no option redispatch\n" in told
    assert "server a 10.0.0.1:80" in made["Debian"]["servers.cfg"]
