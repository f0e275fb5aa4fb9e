#!/usr/bin/python
"""Tells which instance this is: id, zone and stack from the instance metadata service (IMDSv2), remembered on disk."""

from __future__ import annotations

import json
import pathlib
import urllib.error
import urllib.request

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: ops_identity
short_description: Tells which instance this is
description: Asks IMDSv2 once; afterwards the answer is read from /var/lib/ops/identity.json.
options: {}
author: Quartermaster
"""

_METADATA = "http://169.254.169.254/latest"
_REMEMBERED = pathlib.Path("/var/lib/ops/identity.json")
_KERNEL = pathlib.Path("/proc/sys/kernel/hostname")


def _ask(path: str, *, token: str = "") -> str:
    headers = {"X-aws-ec2-metadata-token": token} if token else {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    request = urllib.request.Request(f"{_METADATA}/{path}", headers=headers, method="GET" if token else "PUT")
    with urllib.request.urlopen(request, timeout=5) as answer:
        return str(answer.read().decode())


def _tag(name: str, token: str) -> str:
    """A tag of the instance, empty where it has none or does not show them."""
    try:
        return _ask(f"meta-data/tags/instance/{name}", token=token)
    except urllib.error.HTTPError:
        return ""


def _identity(*, remember: bool) -> dict[str, str]:
    if _REMEMBERED.exists():
        known = dict(json.loads(_REMEMBERED.read_text()))
        if "stack" in known:
            return known
    token = _ask("api/token")
    found = {
        "id": _ask("meta-data/instance-id", token=token),
        "zone": _ask("meta-data/placement/availability-zone", token=token),
        "stack": _tag("ops:stack", token),
    }
    if remember:
        _REMEMBERED.parent.mkdir(parents=True, exist_ok=True)
        _REMEMBERED.write_text(json.dumps(found))
    return found


def _owns_kernel() -> bool:
    """Whether kernel settings may be written here: a host in namespaces has /proc/sys read-only."""
    try:
        _KERNEL.open("r+").close()
    except OSError:
        return False
    return True


def main() -> None:
    """Answer Ansible with the facts ops_host_id, ops_zone, ops_stack and ops_owns_kernel."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        identity = _identity(remember=not module.check_mode)
    except (OSError, ValueError) as exc:
        module.fail_json(msg=f"the instance metadata service at {_METADATA} does not say which host this is: {exc}")
    known = {"ops_host_id": identity["id"], "ops_zone": identity["zone"], "ops_stack": identity["stack"]}
    facts = {**known, "ops_owns_kernel": _owns_kernel()}
    module.exit_json(changed=False, ansible_facts=facts)


if __name__ == "__main__":
    main()
