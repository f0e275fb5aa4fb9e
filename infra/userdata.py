"""What a host runs at its first boot: fetch the role bundle, converge, join."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from quartermaster.fleet.names import pins_key

__all__ = ["LIMIT_BYTES", "render"]

LIMIT_BYTES = 16384
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html: 16 KB before encoding."""


def render(
    *, bucket: str, pointer: str, region: str, cluster: str, role: str, group: str, hook: str, warm: bool = False
) -> str:
    """The script; ``warm``: hosts may be stopped once they are made, and join when they are started.

    Raises ValueError when it outgrows what EC2 takes.
    """
    text = _template().render(
        bucket=bucket, pointer=pointer, pins=pins_key(cluster), region=region, cluster=cluster, role=role, group=group,
        hook=hook, warm=warm,
    )  # fmt: skip
    if len(text.encode()) > LIMIT_BYTES:
        raise ValueError(f"user data of {cluster} has {len(text.encode())} bytes; EC2 takes {LIMIT_BYTES}")
    return text


@cache
def _template() -> Template:
    source = files("quartermaster.infra").joinpath("userdata.sh.j2").read_text(encoding="utf-8")
    # Not HTML: a shell script. An undefined name is a fault.
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    return environment.from_string(source)
