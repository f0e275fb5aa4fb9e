"""pyinfra's part of bench/patching.py: ``patch_pyinfra.py ORDER.json``; run in the peers' environment.

One process, one connection a host, wave by wave: the same operations as playbooks/patch.yml. Started by
``-m gevent.monkey``, as pyinfra's own command line patches itself.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pyinfra.api import Config, Inventory, State
from pyinfra.api.connect import connect_all, disconnect_all
from pyinfra.api.operation import add_op
from pyinfra.api.operations import run_ops
from pyinfra.api.state import StateStage
from pyinfra.operations import apt, server


def main() -> None:
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    shared = {
        "ssh_user": order["user"],
        "ssh_key": order["key"],
        "ssh_known_hosts_file": order["known_hosts"],
        "ssh_strict_host_key_checking": "accept-new",
        "_sudo": True,
    }
    for wave in order["waves"]:
        inventory = Inventory(([(address, shared) for address in wave], {}))
        state = State(inventory, Config(PARALLEL=len(wave), FAIL_PERCENT=0))
        state.set_stage(StateStage.Connect)
        connect_all(state)
        state.set_stage(StateStage.Prepare)
        add_op(state, apt.update)
        add_op(state, apt.packages, packages=order["packages"])
        add_op(state, server.shell, commands=["test ! -e /run/reboot-required"])
        state.set_stage(StateStage.Execute)
        run_ops(state)
        state.set_stage(StateStage.Disconnect)
        disconnect_all(state)


if __name__ == "__main__":
    main()
