"""Bridges, veths and network namespaces: a VPC is a bridge, a host's interface is a veth on it.

The bridge has the VPC's first address, which AWS keeps for the VPC's router, so this machine reaches every host.
Nothing is forwarded: the machine's sysctl and firewall stay as they are.
"""

from __future__ import annotations

import ctypes
import ipaddress
import itertools
import json
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from quartermaster.fleet.errors import OpsError
from quartermaster.infra.local.ledger import mounted
from quartermaster.infra.local.world import World

__all__ = ["Attachment", "Bridge", "Network", "overlapping", "routes", "within"]

_T = TypeVar("_T")
_NEWNET = 0x40000000
_ARP = 0x0806
_CARRIER_SECONDS = 0.05
"""Until an interface whose other end came up sends: before that the kernel drops what it is given."""
_libc = ctypes.CDLL(None, use_errno=True)
METADATA_ADDRESS = "169.254.169.254"


@dataclass(frozen=True, slots=True)
class Bridge:
    """A VPC on this machine."""

    vpc: str
    name: str
    address: str
    prefix_length: int


@dataclass(frozen=True, slots=True)
class Attachment:
    """A namespace with one interface on a bridge."""

    netns: str
    link: str
    """The machine's end of the veth."""
    address: str


def routes() -> list[tuple[str, str]]:
    """(destination CIDR, interface) of every IPv4 route but the default one. Read-only."""
    answer = subprocess.run(["ip", "-json", "-4", "route"], capture_output=True, text=True, check=True)
    listed = json.loads(answer.stdout or "[]")
    return [(row["dst"], row.get("dev", "")) for row in listed if row["dst"] != "default"]


def overlapping(cidr: str, taken: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    """The first of ``taken`` (CIDR, name) that shares an address with ``cidr``, or None. Pure."""
    wanted = ipaddress.ip_network(cidr, strict=False)
    for other, name in taken:
        if wanted.overlaps(ipaddress.ip_network(other, strict=False)):
            return other, name
    return None


def within(netns: str, act: Callable[[], _T]) -> _T:
    """What ``act`` returns when run inside a network namespace: in a thread of its own, as setns is per thread."""
    result: list[_T] = []
    failure: list[BaseException] = []

    def _enter() -> None:
        try:
            with Path("/run/netns", netns).open() as space:
                if _libc.setns(space.fileno(), _NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns {netns}")
            result.append(act())
        except OSError as exc:
            failure.append(exc)

    thread = threading.Thread(target=_enter, name=f"within-{netns}")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


class Network:
    """Makes and removes what one local cloud has in the kernel; every name is in the ledger first."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._bridges: dict[str, Bridge] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def bridge(self, vpc: str, cidr: str) -> Bridge:
        """The VPC's bridge, made at first use."""
        with self._lock:
            found = self._bridges.get(vpc)
            if found is not None:
                return found
            network = ipaddress.ip_network(cidr)
            number = len(self._bridges)
            made = Bridge(vpc, f"{self._world.prefix}br{number or ''}", str(network[1]), network.prefixlen)
            self._world.ledger.add("link", made.name)
            _ip(
                # With an address of its own: else it has its lowest port's, which comes and goes with hosts, and for up
                # to a minute the others send what is for it to the one that they remember.
                f"link add {made.name} address {_mac(network[1])} type bridge",
                f"link set {made.name} addrgenmode none",
                f"addr add {made.address}/{made.prefix_length} dev {made.name}",
                f"link set {made.name} up",
            )
            self._bridges[vpc] = made
            return made

    def bridges(self) -> list[Bridge]:
        """Every bridge made so far."""
        return list(self._bridges.values())

    def attach(self, name: str, bridge: Bridge, address: str) -> Attachment:
        """A namespace ``name`` with ``address`` on the bridge."""
        return self._attach(name, bridge, address, _addressed(bridge, address))

    def readdress(self, attachment: Attachment, bridge: Bridge, address: str) -> Attachment:
        """The namespace with another address, which no other may have by now; all on the bridge are told of it."""
        _ip("addr flush dev eth0", *_addressed(bridge, address), netns=attachment.netns)
        within(attachment.netns, lambda: _announce(address))
        return Attachment(attachment.netns, attachment.link, address)

    def lend(self, attachment: Attachment, address: str) -> None:
        """Give the namespace one more address; all on the bridge are told of it. Idempotent."""
        _ip(f"addr replace {address}/32 dev eth0", netns=attachment.netns)
        within(attachment.netns, lambda: _announce(address))

    def withdraw(self, attachment: Attachment, address: str) -> None:
        """Take a lent address away: nothing answers there, not even with a reset. Idempotent."""
        _try(["ip", "-netns", attachment.netns, "addr", "del", f"{address}/32", "dev", "eth0"])

    def allow_absent(self, attachment: Attachment) -> None:
        """Let programs in the namespace listen on addresses that it has not now, but not send from them."""
        within(attachment.netns, lambda: Path("/proc/sys/net/ipv4/ip_nonlocal_bind").write_text("1"))

    def strip(self, attachment: Attachment) -> None:
        """Take the namespace's address away."""
        _ip("addr flush dev eth0", netns=attachment.netns)

    def attach_metadata(self, bridge: Bridge) -> Attachment:
        """The namespace on the bridge that has the metadata service's address.

        Not the host's own namespace: a web server there could not listen on every address. Not the machine's either:
        it may be an EC2 instance with a metadata service of its own.
        """
        cidr = ipaddress.ip_interface(f"{bridge.address}/{bridge.prefix_length}").network
        inside = [
            f"addr add {METADATA_ADDRESS}/32 dev eth0",
            "link set eth0 up",
            f"route add {cidr} dev eth0",
        ]
        return self._attach(f"imds{bridge.name.rpartition('br')[2]}", bridge, METADATA_ADDRESS, inside)

    def _attach(self, name: str, bridge: Bridge, address: str, inside: list[str]) -> Attachment:
        with self._lock:
            netns, link = f"{self._world.prefix}-{name}", f"{self._world.prefix}v{next(self._numbers)}"
            if not mounted(Path("/run/netns")):
                self._world.ledger.add("mount", "/run/netns")
            self._world.ledger.add("netns", netns)
            self._world.ledger.add("link", link)
            _ip(
                f"netns add {netns}",
                f"link add {link} type veth peer name eth0 netns {netns}",
                f"link set {link} master {bridge.name} addrgenmode none",
                f"link set {link} up",
            )
            _ip("link set lo up", *inside, netns=netns)
            return Attachment(netns, link, address)

    def silence(self, attachment: Attachment) -> None:
        """Cut the cable: nothing answers, not even with a reset."""
        _ip(f"link set {attachment.link} down")

    def restore(self, attachment: Attachment) -> None:
        """Plug the cable in again; all on the bridge are told of the address, which may have come meanwhile."""
        _ip(f"link set {attachment.link} up")
        time.sleep(_CARRIER_SECONDS)
        within(attachment.netns, lambda: _announce(attachment.address))

    def detach(self, attachment: Attachment) -> None:
        """Remove the namespace and its interface. Its processes must be gone."""
        with self._lock:
            _try(["ip", "link", "delete", attachment.link])
            _try(["ip", "netns", "delete", attachment.netns])
            self._world.ledger.remove("link", attachment.link)
            self._world.ledger.remove("netns", attachment.netns)


def _mac(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """A locally administered address on the wire, made of an address."""
    return ":".join(f"{octet:02x}" for octet in (0x02, 0x71, *address.packed))


def _addressed(bridge: Bridge, address: str) -> list[str]:
    return [
        f"addr add {address}/{bridge.prefix_length} dev eth0",
        "link set eth0 up",
        f"route add default via {bridge.address}",
        f"route add {METADATA_ADDRESS}/32 dev eth0",
    ]


def _announce(address: str) -> None:
    """Say on eth0 whose the address is, so that nobody sends to who had it before (gratuitous ARP, RFC 5227)."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ARP)) as wire:
        wire.bind(("eth0", _ARP))
        mac, ip, everyone = wire.getsockname()[4], socket.inet_aton(address), b"\xff" * 6
        request = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + ip + bytes(6) + ip
        wire.send(everyone + mac + struct.pack("!H", _ARP) + request)


def listening_socket(netns: str, host: str, port: int) -> socket.socket:
    """A listening TCP socket inside a namespace, usable from here."""

    def _open() -> socket.socket:
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        opened.listen(64)
        return opened

    return within(netns, _open)


def _ip(*lines: str, netns: str = "") -> None:
    command = ["ip", *(["-netns", netns] if netns else []), "-batch", "-"]
    done = subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OpsError(f"ip: {done.stderr.strip()} ({'; '.join(lines)})", remedy="root and iproute2 are needed")


def _try(command: list[str]) -> None:
    subprocess.run(command, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"})
