#!/usr/bin/python
"""Holds a login of the host's PostgreSQL that may replicate and nothing else; its password never reaches the server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: ops_postgres_login
short_description: Holds a login that may replicate and nothing else
description: The server is given the SCRAM verifier of the password (RFC 5802), so that no log can hold the password.
options:
  name:
    description: The login.
    type: str
    required: true
  password:
    description: Its password.
    type: str
    required: true
  port:
    description: The server's port.
    type: int
    required: true
author: Quartermaster
"""

_ROUNDS = 4096  # PostgreSQL's own


def _verifier(password: str, salt: bytes, rounds: int) -> str:
    """What pg_authid holds for a password: SCRAM-SHA-256$rounds:salt$StoredKey:ServerKey."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    plain, first, second = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${rounds}:{plain}${first}:{second}"


def _fits(held: str, password: str) -> bool:
    """Whether the verifier that is held is one of that password."""
    try:
        kind, middle, _ = held.split("$")
        rounds, salt = middle.split(":")
        return kind == "SCRAM-SHA-256" and held == _verifier(password, base64.b64decode(salt), int(rounds))
    except ValueError:
        return False


def _quoted(text: str, mark: str) -> str:
    return mark + text.replace(mark, mark * 2) + mark


def main() -> None:
    """Create or change the login where it is not as asked."""
    arguments = {
        "name": {"type": "str", "required": True},
        "password": {"type": "str", "required": True, "no_log": True},
        "port": {"type": "int", "required": True},
    }
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    name, password = module.params["name"], module.params["password"]
    psql = [
        "runuser",
        "-u",
        "postgres",
        "--",
        "psql",
        "-XAtq",
        "-v",
        "ON_ERROR_STOP=1",
        "-p",
        str(module.params["port"]),
    ]

    def ask(sql: str) -> str:
        code, out, err = module.run_command([*psql, "-d", "postgres", "-f", "-"], data=sql, cwd="/")
        if code != 0:
            module.fail_json(msg=f"login {name}: PostgreSQL says: {err.strip()}")
        return str(out).strip()

    asked = "rolcanlogin and rolreplication and not rolsuper and not rolcreaterole and not rolcreatedb"
    held = ask(f"select {asked}, rolpassword from pg_authid where rolname = {_quoted(name, chr(39))};")
    right, _, verifier = held.partition("|")
    changed = right != "t" or not _fits(verifier, password)
    if changed and not module.check_mode:
        role, word = _quoted(name, '"'), _verifier(password, os.urandom(16), _ROUNDS)
        able = f"LOGIN REPLICATION NOSUPERUSER NOCREATEROLE NOCREATEDB PASSWORD '{word}'"
        # Local: the standby that this commit would wait for comes only with this login.
        ask(f"set synchronous_commit = local; {'ALTER' if held else 'CREATE'} ROLE {role} {able};")
    module.exit_json(changed=changed, name=name)


if __name__ == "__main__":
    main()
