#!/usr/bin/python
"""Points a host at the role bundle that it has converged on; keeps the one before it and removes older ones."""

from __future__ import annotations

import pathlib
import shutil

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: ops_bundle
short_description: Points the host at the bundle that it has converged on
description: The link C(current) names the bundle, C(previous) the one before; other bundles are removed.
options:
  name:
    description: Folder of the bundle below C(home).
    required: true
    type: str
  home:
    description: Folder of the bundles.
    default: /opt/ops/bundles
    type: path
author: Quartermaster
"""


def main() -> None:
    """Set both links and tidy up, or with check mode only tell."""
    spec = {"name": {"required": True}, "home": {"type": "path", "default": "/opt/ops/bundles"}}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    home, name = pathlib.Path(module.params["home"]), module.params["name"]
    held, before = _target(home / "current"), _target(home / "previous")
    kept = {name, before if held in ("", name) else held}
    old = [path for path in _bundles(home) if path.name not in kept]
    if not module.check_mode:
        if held not in ("", name):
            _point(home / "previous", held)
        if held != name:
            _point(home / "current", name)
        for path in old:
            shutil.rmtree(path)
    module.exit_json(
        changed=held != name or bool(old),
        dest=str(home / "current"),
        removed=[path.name for path in old],
        diff={"before": {"bundle": held}, "after": {"bundle": name}},
    )


def _target(link: pathlib.Path) -> str:
    return link.readlink().name if link.is_symlink() else ""


def _bundles(home: pathlib.Path) -> list[pathlib.Path]:
    """Folders of bundles, those included whose making was cut off; not one that is being made."""
    folders = [path for path in sorted(home.glob("*")) if path.is_dir() and not path.is_symlink()]
    return [path for path in folders if not (path.name.startswith(".") and _lives(path.name.rpartition(".")[2]))]


def _lives(pid: str) -> bool:
    return pathlib.Path("/proc", pid).exists()


def _point(link: pathlib.Path, name: str) -> None:
    """Move the link in one step: whoever follows it finds the one bundle or the other."""
    draft = link.with_name(f"{link.name}.new")
    draft.unlink(missing_ok=True)
    draft.symlink_to(name)
    draft.replace(link)


if __name__ == "__main__":
    main()
