"""Hosts make themselves without a controller, and a controller finds and tells what is not as it should be on them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quartermaster.fleet.errors import OpsError
from quartermaster.playbooks import configure
from quartermaster.playbooks.bundle import build
from quartermaster.playbooks.configure import ConfigureResult, Converged
from quartermaster.playbooks.inventory import Inventory
from quartermaster.playbooks.publish import POINTER
from tests.hosts.apart import apart
from tests.hosts.local_cluster import wait
from tests.hosts.patch_cluster import BUCKET, NAME, PatchCluster, patch_cluster

pytestmark = pytest.mark.hosts

HOLDS = "readlink /opt/ops/bundles/current"
NGINX, FACTS = "/etc/nginx/nginx.conf", "/etc/ops/host.json"
NEW_KEY = "rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; service ssh restart"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PatchCluster]:
    with patch_cluster(tmp_path_factory.mktemp("configure"), count=2) as made:
        yield made


def push(cluster: PatchCluster, hosts: Inventory | None = None, *, check: bool = False) -> ConfigureResult:
    plan = configure.plan(hosts or cluster.inventory(), build(cluster.fleet), bucket=BUCKET, check=check)
    s3, cache = cluster.cloud.client("s3"), cluster.workspace.folder("cache")
    result = configure.outcome(configure.apply(plan, cache=cache, s3=s3))
    print(*result.hosts, sep="\n")  # noqa: T201 - what a failing test shows
    return result


def settings(cluster: PatchCluster, old: str, new: str) -> str:
    """Change the fleet's file; the SHA-256 of the bundle that it makes now."""
    cluster.file.write_text(cluster.file.read_text().replace(old, new))
    return build(cluster.fleet).sha256


def of(result: ConfigureResult, host: str) -> Converged:
    return next(found for found in result.hosts if found.id == host)


def ids(cluster: PatchCluster) -> list[str]:
    return [host.id for host in cluster.hosts.group("web").hosts]


def test_with_its_controller_killed_and_the_pointer_half_written_a_doubled_group_serves_and_a_push_finds_nothing(
    cluster: PatchCluster,
) -> None:
    cloud, old = cluster.cloud, ids(cluster)
    sha256 = settings(cluster, "web_packages", "base_open_files: 70000, web_packages")
    with apart("configure_driver", cluster.file) as controller:
        assert controller.stdout is not None
        assert any(line.startswith("finished publish") for line in controller.stdout)
        controller.kill()
    s3 = cloud.client("s3")
    pointer = s3.get_object(Bucket=BUCKET, Key=POINTER)["Body"].read()
    s3.put_object(Bucket=BUCKET, Key=POINTER, Body=pointer[:-9])
    cloud.client("autoscaling").set_desired_capacity(AutoScalingGroupName=NAME, DesiredCapacity=4)
    new = wait(lambda: [host for host in ids(cluster) if host not in old])
    tried = "grep -c 'fetch, try 1 of' /var/log/ops-converge.log"
    wait(lambda: cluster.hosts.group("web").desired == 4 and _on(cluster, new[0], tried) == "1")
    s3.put_object(Bucket=BUCKET, Key=POINTER, Body=pointer)
    cluster.await_serving(4)
    new = [host for host in ids(cluster) if host not in old]
    assert [cluster.on(host, HOLDS) for host in new] == [sha256, sha256]
    pushed = [old[0], *new]
    result = push(cluster, cluster.inventory().only(pushed))
    assert not result.failed
    assert [of(result, host).changes for host in new] == [(), ()]
    assert {cluster.on(host, HOLDS) for host in pushed} == {sha256}
    assert cluster.on(old[0], "ls -d /opt/ops/bundles/*/ | wc -l") == "4", "two, and a link to each"


def _on(cluster: PatchCluster, host: str, command: str) -> str:
    """What the command says on a host that may not be up yet."""
    try:
        return cluster.on(host, command)
    except OpsError:
        return ""


def test_a_check_tells_each_file_package_and_service_that_differs_and_mends_none(cluster: PatchCluster) -> None:
    sha256 = build(cluster.fleet).sha256
    drifted, bare, other = (host for host in ids(cluster) if cluster.on(host, HOLDS) == sha256)
    cluster.on(drifted, f"echo '# by hand' >> {NGINX}; chmod 600 {FACTS}; update-rc.d nginx disable")
    # On a host of its own: while a package is missing, a role does not look at what it brings.
    cluster.on(bare, "dpkg --remove shop-page")
    result = push(cluster, cluster.inventory().only([drifted, bare, other]), check=True)
    assert not result.failed
    rows = {(row.kind, row.name): row for row in of(result, drifted).drift}
    assert set(rows) == {("file", NGINX), ("file", FACTS), ("service", "nginx")}
    assert "-# by hand" in rows["file", NGINX].diff.splitlines()
    assert (rows["file", FACTS].found, rows["file", FACTS].expected) == ("mode 0600", "mode 0644")
    assert "enabled" in rows["service", "nginx"].expected
    (row,) = of(result, bare).drift
    assert (row.kind, row.name, row.found, row.expected) == ("package", "shop-page", "absent", "1.0")
    assert of(result, other).drift == ()
    assert cluster.on(drifted, f"tail -1 {NGINX}") == "# by hand"


def test_hosts_that_cannot_be_reached_are_told_why_and_the_others_converge(cluster: PatchCluster) -> None:
    replaced, locked, deaf, well = ids(cluster)
    cluster.on(replaced, NEW_KEY)
    cluster.on(locked, "mv ~admin/.ssh/authorized_keys /root/")
    cluster.on(deaf, "service ssh stop")
    result = push(cluster)
    assert {host.id: host.reason for host in result.hosts} == {
        replaced: "host_key_changed", locked: "auth", deaf: "refused", well: "",
    }  # fmt: skip
    assert "replace the host" in of(result, replaced).remedy
    cluster.on(locked, "mv /root/authorized_keys ~admin/.ssh/; mv /etc/sudoers.d /root/")
    assert [host.reason for host in push(cluster, cluster.inventory().only([locked])).hosts] == ["sudo"]


def test_a_converge_that_fails_on_its_way_leaves_a_host_at_the_bundle_that_it_held(cluster: PatchCluster) -> None:
    well = ids(cluster)[-1]
    held = cluster.on(well, HOLDS)
    broken = settings(cluster, "[shop-page]", "[shop-page, no-such-package]")
    (host,) = push(cluster, cluster.inventory().only([well])).hosts
    assert host.reason == "failed" and "no-such-package" in host.error
    assert cluster.on(well, HOLDS) == held != broken
