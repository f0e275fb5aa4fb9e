"""The local cloud's hosts, balancer and groups behave as AWS's do; what they are is real."""

from __future__ import annotations

import http.client
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from quartermaster.fleet.deb import build_deb
from quartermaster.fleet.load import Load
from quartermaster.infra.local import client
from tests.hosts.local_cluster import ZONES, LocalCluster, wait

pytestmark = pytest.mark.hosts


@pytest.fixture
def cluster(marked: LocalCluster) -> LocalCluster:
    return marked


@pytest.fixture(autouse=True)
def _serving_again(cluster: LocalCluster) -> Iterator[None]:
    yield
    wait(cluster.serves)


def test_the_group_spreads_over_its_zones(cluster: LocalCluster) -> None:
    assert sorted(item["AvailabilityZone"] for item in cluster.group["Instances"]) == list(ZONES)


def test_a_host_answers_ssh_as_admin_who_may_become_root(cluster: LocalCluster) -> None:
    assert cluster.ssh(cluster.members[0], "sudo -n id -un").stdout == "root\n"


# The guards are read, never tried: an attempt that gets through would reach the machine (its clock, its sysrq).
_CHOWN, _KILL, _SYS_MODULE, _SYS_RAWIO, _SYS_ADMIN, _SYS_BOOT, _SYS_TIME, _MKNOD = 0, 5, 16, 17, 21, 22, 25, 27


@pytest.mark.parametrize("way", ["ssh", "execute"])
def test_root_in_a_host_has_no_capability_that_reaches_the_machine(cluster: LocalCluster, way: str) -> None:
    read = "grep CapBnd /proc/self/status"
    host = cluster.members[0]
    answer = cluster.ssh(host, f"sudo {read}") if way == "ssh" else cluster.run(host, "sh", "-c", read)
    mask = int(answer.stdout.split()[1], 16)
    assert [bit for bit in (_CHOWN, _KILL) if not mask >> bit & 1] == []
    assert [bit for bit in (_SYS_MODULE, _SYS_RAWIO, _SYS_ADMIN, _SYS_BOOT, _SYS_TIME, _MKNOD) if mask >> bit & 1] == []


def test_a_host_sees_the_machines_settings_read_only(cluster: LocalCluster) -> None:
    lines = cluster.run(cluster.members[0], "cat", "/proc/mounts").stdout.splitlines()
    options = {line.split()[1]: line.split()[3].split(",") for line in lines}
    assert "ro" in options["/proc/sys"]
    assert "ro" in options["/sys"]
    assert "rw" in options["/proc/sys/net"]


def test_metadata_needs_a_token(cluster: LocalCluster) -> None:
    plain = "curl -s -o /dev/null -w '%{http_code}' http://169.254.169.254/latest/meta-data/instance-id"
    assert cluster.run(cluster.members[0], "sh", "-c", plain).stdout == "401"


def test_a_reboot_is_a_new_boot_that_starts_enabled_services(cluster: LocalCluster) -> None:
    host = cluster.members[0]
    command = ["cat", "/proc/sys/kernel/random/boot_id"]
    before = cluster.run(host, *command).stdout
    cluster.ssh(host, "sudo shutdown -r now")

    def booted() -> bool:
        try:
            found = cluster.run(host, *command).stdout
        except client.InputError:
            return False
        return bool(found) and found != before

    wait(booted)
    wait(lambda: cluster.run(host, "service", "nginx", "status").returncode == 0)


def test_the_router_keeps_its_address_on_the_wire_as_hosts_come_and_go(cluster: LocalCluster) -> None:
    """What the others remember of it stays true: requests to the API and the package repository get through."""
    bridge = next(path for path in Path("/sys/class/net").glob(f"{_run_id(cluster)}br*"))
    before = (bridge / "address").read_text()
    link = f"{_run_id(cluster)}low"
    commands = (
        f"link add {link} address 00:00:00:00:00:01 type veth peer name {link}p\nlink set {link} master {bridge.name}"
    )
    try:
        subprocess.run(["ip", "-batch", "-"], input=commands, text=True, check=True)
        assert (bridge / "address").read_text() == before
    finally:
        subprocess.run(["ip", "link", "delete", link], check=True)


def _run_id(cluster: LocalCluster) -> str:
    local = client.running(cluster.workspace)
    assert local is not None
    return f"qm{local.instance}"


def test_an_offered_package_is_installed_and_upgraded(cluster: LocalCluster, tmp_path: Path) -> None:
    host = cluster.members[0]
    for version in ("1.0", "1.1"):
        deb = build_deb("greeting", version, {"/etc/greeting": version}, tmp_path)
        assert client.add_package(cluster.workspace, deb)["version"] == version
        done = cluster.run(host, "sh", "-c", "apt-get update -qq && apt-get install -y -qq greeting")
        assert done.returncode == 0, done.stderr
        assert cluster.run(host, "cat", "/etc/greeting").stdout == version


def test_the_balancer_asks_every_host(cluster: LocalCluster) -> None:
    answers = {urllib.request.urlopen(cluster.url).read() for _ in range(12)}
    assert len(answers) == 3


def test_standby_loses_no_request(cluster: LocalCluster) -> None:
    groups, host = cluster.api("autoscaling"), cluster.members[0]
    before = client.requests(cluster.workspace, "web")
    with Load(cluster.url, 100, 8) as load:
        groups.enter_standby(AutoScalingGroupName="web", InstanceIds=[host], ShouldDecrementDesiredCapacity=True)
        wait(lambda: cluster.lifecycle(host) == "Standby")
        cluster.run(host, "service", "nginx", "stop")
        cluster.run(host, "service", "nginx", "start")
        groups.exit_standby(AutoScalingGroupName="web", InstanceIds=[host])
        wait(cluster.serves)
    counted = client.requests(cluster.workspace, "web") - before
    assert load.counts().failed == counted.failed == 0
    assert counted.sent >= load.counts().sent > 500


def test_a_draining_host_gets_no_new_request_even_over_a_kept_connection(cluster: LocalCluster) -> None:
    groups, host = cluster.api("autoscaling"), cluster.members[0]
    name = cluster.run(host, "uname", "-n").stdout.strip()
    line = http.client.HTTPConnection(cluster.url.removeprefix("http://"), timeout=5)

    def ask() -> str:
        line.request("GET", "/")
        return line.getresponse().read().decode()

    assert name in {ask() for _ in range(12)}
    groups.enter_standby(AutoScalingGroupName="web", InstanceIds=[host], ShouldDecrementDesiredCapacity=True)
    wait(lambda: name not in {ask() for _ in range(12)}, 3)
    assert cluster.lifecycle(host) == "EnteringStandby"
    line.close()
    wait(lambda: cluster.lifecycle(host) == "Standby")
    groups.exit_standby(AutoScalingGroupName="web", InstanceIds=[host])


def test_standby_below_the_minimum_is_refused(cluster: LocalCluster) -> None:
    groups = cluster.api("autoscaling")
    with pytest.raises(ClientError, match="min-size=2"):
        groups.enter_standby(
            AutoScalingGroupName="web", InstanceIds=cluster.members[:2], ShouldDecrementDesiredCapacity=True
        )


def test_a_killed_host_is_replaced_in_its_zone(cluster: LocalCluster) -> None:
    lost = cluster.group["Instances"][0]
    client.kill_host(cluster.workspace, lost["InstanceId"])
    wait(lambda: lost["InstanceId"] not in cluster.members and cluster.serves())
    assert sorted(item["AvailabilityZone"] for item in cluster.group["Instances"]) == list(ZONES)


def test_a_host_terminated_behind_the_groups_back_is_replaced(cluster: LocalCluster) -> None:
    lost = cluster.members[0]
    cluster.api("ec2").terminate_instances(InstanceIds=[lost])
    wait(lambda: lost not in cluster.members and cluster.serves())


def test_a_vpc_over_a_route_of_this_machine_is_refused_by_name(cluster: LocalCluster) -> None:
    shown = subprocess.run(["ip", "-4", "-o", "route"], capture_output=True, text=True, check=True).stdout
    taken = next(line.split() for line in shown.splitlines() if "/" in line.split()[0] and " dev eth" in line)
    cidr, interface = taken[0], taken[2]
    with pytest.raises(ClientError, match=interface):
        cluster.api("ec2").create_vpc(CidrBlock=cidr)
