#!/usr/bin/python
"""Has folders and files as they are to be, all in one call: a loop over template takes two calls for each file."""

from __future__ import annotations

import os
import pathlib
import shlex
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: ops_files
short_description: Has folders and files of root as they are to be
description:
  - Every file is tried by its own program before any is put in its place.
  - A check passes over files of a folder that is not there yet. Gives C(files), a row for each path with its diff,
    and C(wrote), the paths that changed.
options:
  folders:
    description: Folders to have.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Where., type: path, required: true}
      mode: {description: Rights., type: str, default: "0755"}
  files:
    description: Files to have.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Where., type: path, required: true}
      content: {description: All of its text., type: str, required: true}
      mode: {description: Rights., type: str, default: "0644"}
      validate: {description: "Command that a good file passes; C(%s) is a draft of it.", type: str, default: ""}
author: Quartermaster
"""
_FOLDER = {"path": {"type": "path", "required": True}, "mode": {"type": "str", "default": "0755"}}
_FILE = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str", "required": True},
    "mode": {"type": "str", "default": "0644"},
    "validate": {"type": "str", "default": ""},
}


def main() -> None:
    """Make what lacks, or with check mode only tell."""
    several = {"type": "list", "elements": "dict", "default": []}
    spec = {"folders": {**several, "options": _FOLDER}, "files": {**several, "options": _FILE}}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    rows = [_folder(module, wanted) for wanted in module.params["folders"]]
    there = [wanted for wanted in module.params["files"] if pathlib.Path(wanted["path"]).parent.is_dir()]
    files = there if module.check_mode else module.params["files"]
    drafts = {wanted["path"]: _draft(module, wanted) for wanted in files if _found(wanted) != wanted["content"]}
    rows += [_file(module, wanted, drafts.get(wanted["path"], "")) for wanted in files]
    wrote = [row["path"] for row in rows if row["changed"]]
    module.exit_json(changed=bool(wrote), files=rows, wrote=wrote)


def _folder(module: Any, wanted: dict[str, str]) -> dict[str, Any]:
    path, diff = pathlib.Path(wanted["path"]), []
    if not path.is_dir():
        diff.append({"before": {"state": "absent"}, "after": {"state": "directory"}})
        if not module.check_mode:
            path.mkdir(int(wanted["mode"], 8), parents=True)
    return _attributed(module, wanted, diff)


def _found(wanted: dict[str, str]) -> str | None:
    """The file's text; None where there is none."""
    path = pathlib.Path(wanted["path"])
    return path.read_bytes().decode(errors="replace") if path.is_file() else None


def _draft(module: Any, wanted: dict[str, str]) -> str:
    """Path of a file with the text, that its own program takes for good."""
    handle, draft = tempfile.mkstemp(dir=str(module.tmpdir))
    with os.fdopen(handle, "wb") as file:
        file.write(wanted["content"].encode())
    if wanted["validate"]:
        status, out, error = module.run_command(shlex.split(wanted["validate"] % draft))
        if status:
            module.fail_json(msg=f"{wanted['path']} would not be good: {out}{error}".strip())
    return draft


def _file(module: Any, wanted: dict[str, str], draft: str) -> dict[str, Any]:
    diff: list[dict[str, Any]] = []
    if draft:
        diff.append({"before": _found(wanted) or "", "after": wanted["content"]})
        if not module.check_mode:
            module.atomic_move(draft, wanted["path"])
    return _attributed(module, wanted, diff)


def _attributed(module: Any, wanted: dict[str, str], diff: list[dict[str, Any]]) -> dict[str, Any]:
    """The row of a path, once its owner and its rights are as they are to be."""
    attributes: dict[str, Any] = {}
    common = {"path": wanted["path"], "mode": wanted["mode"], "owner": "root", "group": "root"}
    arguments = module.load_file_common_arguments(common)
    changed = module.set_fs_attributes_if_different(arguments, bool(diff), attributes)
    return {"path": wanted["path"], "changed": changed, "diff": [*diff, *([attributes] if attributes else [])]}


if __name__ == "__main__":
    main()
