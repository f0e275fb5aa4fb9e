"""pyinfra's part of bench/patching.py as its users write it: run by the command ``pyinfra``, a run per wave."""

from __future__ import annotations

from pyinfra import host
from pyinfra.operations import apt, server

apt.update(_sudo=True)
apt.packages(packages=host.data.packages.split(","), _sudo=True)
server.shell(commands=["test ! -e /run/reboot-required"])
