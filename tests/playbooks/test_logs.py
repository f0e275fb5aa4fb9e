"""What a host's log agent ships, and where AWS's agents come from, as Ansible itself renders them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROLE = Path(__file__).parents[2] / "playbooks" / "roles" / "base"
FACTS = {
    "ops_host_id": "i-1", "ops_zone": "eu-west-1b", "ops_stack": "prod", "os_family": "Debian",
    "distribution": "Debian", "architecture": "aarch64",
}  # fmt: skip


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The agent's settings, and where the agents come from, for a Debian host on Graviton."""
    home = tmp_path_factory.mktemp("logs")
    template, urls = ROLE / "templates/cloudwatch-agent.json.j2", "{{ base_agent_urls | to_json }}"
    book = [
        {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars_files": [str(ROLE / "defaults/main.yml"), str(ROLE / "vars/main.yml")],
            "vars": {"ops_fleet": "shop", "cluster": "web", "ansible_facts": FACTS},
            "tasks": [
                {"ansible.builtin.template": {"src": str(template), "dest": str(home / "agent.json")}},
                {"ansible.builtin.copy": {"content": urls, "dest": str(home / "urls.json")}},
            ],
        }
    ]
    (home / "book.yml").write_text(json.dumps(book))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(home / "book.yml")]
    environment = {"ANSIBLE_HOME": str(home), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: json.loads((home / f"{name}.json").read_text()) for name in ("agent", "urls")}


def test_each_log_goes_to_the_clusters_group_in_a_stream_of_its_host(rendered: dict[str, Any]) -> None:
    files = rendered["agent"]["logs"]["logs_collected"]["files"]["collect_list"]
    assert {entry["log_group_name"] for entry in files} == {"/ops/shop/prod/hosts/web"}
    streams = {entry["file_path"]: entry["log_stream_name"] for entry in files}
    assert streams["/var/log/nginx/access.log"] == "i-1/access.log"
    assert len(set(streams.values())) == len(files)


def test_agents_come_from_the_buckets_of_the_hosts_region_for_its_architecture(rendered: dict[str, Any]) -> None:
    assert rendered["urls"] == {
        "amazon-ssm-agent": "https://s3.eu-west-1.amazonaws.com/amazon-ssm-eu-west-1/latest/debian_arm64/"
        "amazon-ssm-agent.deb",
        "amazon-cloudwatch-agent": "https://amazoncloudwatch-agent-eu-west-1.s3.eu-west-1.amazonaws.com/debian/arm64/"
        "latest/amazon-cloudwatch-agent.deb",
    }


def test_the_group_that_hosts_write_to_is_the_one_that_the_stack_makes(rendered: dict[str, Any]) -> None:
    from quartermaster.fleet.names import log_group_name

    files = rendered["agent"]["logs"]["logs_collected"]["files"]["collect_list"]
    assert files[0]["log_group_name"] == log_group_name("shop", "prod", "web")
