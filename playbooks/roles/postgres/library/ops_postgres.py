#!/usr/bin/python
"""Tells what a host's PostgreSQL is to be and what it is: the primary or a standby, with data or without."""

from __future__ import annotations

import pathlib
import socket

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: ops_postgres
short_description: Tells what a host's PostgreSQL is to be and what it is
description: Read-only. Gives the facts ops_postgres_leads, ops_postgres_data (none, primary or standby).
options:
  primary:
    description: Address or name of the primary.
    type: str
    required: true
  data:
    description: The data folder.
    type: path
    required: true
author: Quartermaster
"""


def _mine(address: tuple[int, str]) -> bool:
    """Whether an address (family, text) is one of this host's: only then can a socket be bound to it."""
    family, text = address
    with socket.socket(family, socket.SOCK_STREAM) as found:
        try:
            found.bind((text, 0))
        except OSError:
            return False
    return True


def _data(folder: pathlib.Path) -> str:
    if not (folder / "PG_VERSION").exists():
        return "none"
    return "standby" if (folder / "standby.signal").exists() else "primary"


def main() -> None:
    """Answer Ansible with the facts."""
    arguments = {"primary": {"type": "str", "required": True}, "data": {"type": "path", "required": True}}
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    primary = module.params["primary"]
    try:
        found = {(row[0], str(row[4][0])) for row in socket.getaddrinfo(primary, None, proto=socket.IPPROTO_TCP)}
    except OSError as exc:
        module.fail_json(msg=f"postgres_primary is {primary!r}, which is no address and cannot be looked up: {exc}")
    facts = {
        "ops_postgres_leads": any(map(_mine, found)),
        "ops_postgres_data": _data(pathlib.Path(module.params["data"])),
    }
    module.exit_json(changed=False, ansible_facts=facts)


if __name__ == "__main__":
    main()
