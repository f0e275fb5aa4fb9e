"""One system volume an instance: moto attaches its own at /dev/sda1 beside those that a launch template asks for."""

from __future__ import annotations

from typing import Any

__all__ = ["install"]


def install() -> None:
    """Let the first volume that is asked for take the place of moto's own. Call once."""
    import moto.ec2.models.instances

    Instance: Any = moto.ec2.models.instances.Instance  # noqa: N806 - a class
    defaults, add = Instance.setup_defaults, Instance.add_block_device
    Instance.ops_default_volume = False

    def setup_defaults(self: Any) -> None:
        defaults(self)
        self.ops_default_volume = True

    def add_block_device(self: Any, *args: Any, **kwargs: Any) -> None:
        if self.ops_default_volume:
            self.teardown_defaults()
            self.ops_default_volume = False
        add(self, *args, **kwargs)

    Instance.setup_defaults, Instance.add_block_device = setup_defaults, add_block_device
