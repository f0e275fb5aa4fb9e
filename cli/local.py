"""``ops local``: the cloud on this machine."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from quartermaster.cli.group import Group
from quartermaster.cli.output import confirm, emit, table
from quartermaster.cli.session import Session, session
from quartermaster.fleet.errors import InputError

__all__ = ["group"]

group = Group("local", "The local cloud: AWS API, real hosts, balancers and databases on this machine.")
packages = Group("packages", "The package repository that the local hosts install from.")
group.app.add_typer(packages.app)


@group.command("up", example="ops local up")
def up() -> None:
    """Start the local cloud of this fleet, if it is not running."""
    from quartermaster.infra.local.client import ensure_running

    ops = _local()
    cloud = ensure_running(ops.workspace, ops.fleet.fleet)
    emit({"endpoint": cloud.endpoint, "pid": cloud.pid}, f"local cloud up: {cloud.endpoint} (pid {cloud.pid})")


@group.command("down", example="ops local down --yes")
def down() -> None:
    """Stop the local cloud and remove every host, namespace, mount and process; also mends what a killed run left."""
    from quartermaster.infra.local.client import down as stop

    ops = _local()
    confirm("Stop the local cloud? What runs in it is gone then.")
    stop(ops.workspace)
    emit({"down": True}, "local cloud down: no host, namespace, mount or process of it is left")


@group.command("status", example="ops local status --json")
def status() -> None:
    """Show hosts, balancers and databases of the local cloud."""
    from quartermaster.infra.local.client import status as read

    found = read(_local().workspace)
    emit(found, _describe(found))


@group.command("reset", example="ops local reset --yes")
def reset() -> None:
    """Forget a local cloud that is gone, and the state of stacks that stood on it."""
    from quartermaster.infra.deploy import forget_local
    from quartermaster.infra.local.client import reset as forget

    ops = _local()
    confirm("Forget the local cloud and the state of every local stack?")
    forget(ops.workspace)
    forget_local(ops.workspace)
    emit({"reset": True}, "forgotten; `ops provision up` begins anew")


@group.command("fail", example="ops local fail zone eu-west-1a")
def fail(kind: Annotated[str, typer.Argument()], name: Annotated[str, typer.Argument()]) -> None:
    """Cut a zone off, or take the power of a host or of a database's primary: the API is told nothing."""
    if kind == "database":
        from quartermaster.infra.layout import DATABASE, layout
        from quartermaster.infra.local.client import kill_database

        ops = _local()
        declared = name in ops.fleet.databases
        instance = layout(ops.fleet, ops.stack).called(DATABASE, name) if declared else name
        kill_database(ops.workspace, instance)
        emit({"database": name, "state": "killed"}, f"the primary of database {name} has lost its power")
        return
    if kind == "host":
        from quartermaster.infra.local.client import kill_host

        kill_host(_local().workspace, name)
        emit({"host": name, "state": "killed"}, f"host {name} has lost its power")
        return
    _zone(kind, name, heal=False)


@group.command("heal", example="ops local heal zone eu-west-1a")
def heal(kind: Annotated[str, typer.Argument()], name: Annotated[str, typer.Argument()]) -> None:
    """Connect a zone again."""
    _zone(kind, name, heal=True)


@group.command("exec", example="ops local exec i-0abc -- uptime")
def exec_(
    host: Annotated[str, typer.Argument(help="Instance id.")],
    command: Annotated[list[str], typer.Argument(help="What to run in it, after --.")],
) -> None:
    """Run a command inside a local host, as root, without SSH."""
    from quartermaster.infra.local.client import execute

    done = execute(_local().workspace, host, command)
    emit({"returncode": done.returncode, "stdout": done.stdout, "stderr": done.stderr}, done.stdout)
    if done.stderr:
        typer.echo(done.stderr, err=True, nl=False)
    raise typer.Exit(done.returncode)


@group.command("env", example='eval "$(ops local env)"; aws ec2 describe-instances')
def env() -> None:
    """Print AWS_ENDPOINT_URL and credentials as shell exports, for any AWS client."""
    from quartermaster.infra.local.client import environment

    ops = _local()
    values = environment(ops.workspace, ops.fleet.region)
    emit(values, "\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items()))


@packages.command("add", example="ops local packages add dist/app_1.2_all.deb")
def add(deb: Annotated[Path, typer.Argument(help="A Debian package.")]) -> None:
    """Offer a package to all hosts' package manager."""
    from quartermaster.infra.local.client import add_package

    if not deb.is_file():
        raise InputError(f"no package file {deb}", remedy="give the path of a .deb")
    ops = _local()
    add_package(ops.workspace, deb)
    emit({"added": deb.name}, f"offered to all hosts: {deb.name}")


def _local() -> Session:
    ops = session()
    local = [name for name, stack in ops.fleet.stacks.items() if stack.target == "local"]
    if not local:
        raise InputError(
            f"fleet {ops.fleet.fleet} has no local stack", remedy="add `dev: {target: local}` under stacks"
        )
    return ops


def _zone(kind: str, name: str, *, heal: bool) -> None:
    from quartermaster.infra.local import client

    ops = _local()
    if kind != "zone":
        remedy = "zone NAME" if heal else "zone NAME, host ID or database NAME"
        raise InputError(f"nothing to {'heal' if heal else 'fail'} by the name {kind} {name}", remedy=remedy)
    (client.heal_zone if heal else client.fail_zone)(ops.workspace, name)
    emit({"zone": name, "state": "healed" if heal else "failed"}, f"zone {name} {'healed' if heal else 'cut off'}")


def _describe(found: dict[str, Any]) -> str:
    if found["state"] != "running":
        return "local cloud is not running (ops local up)"
    text = f"local cloud {found['instance']} at {found['endpoint']} (pid {found['pid']})\n"
    hosts = [(h["id"], h["zone"], h["address"], h["state"], h["boots"]) for h in found.get("hosts", [])]
    if hosts:
        text += "\n" + table(["host", "zone", "address", "state", "#boots"], hosts)
    for balancer in found.get("balancers", []):
        text += f"\nbalancer {balancer['name']}  {balancer['url']}"
    for database in found.get("databases", []):
        text += f"\ndatabase {database['name']}  {database['address']}:{database['port']}"
    return text
