"""What a host runs at its first boot."""

from __future__ import annotations

import re
import subprocess

import pytest

from quartermaster.infra.userdata import LIMIT_BYTES, render


def script(*, warm: bool = False, role: str = "web") -> str:
    return render(
        bucket="b", pointer="bundles/current.json", region="eu-west-1", cluster="web", role=role, group="shop-dev-web",
        hook="converged", warm=warm,
    )  # fmt: skip


@pytest.mark.parametrize("warm", [False, True])
def test_it_is_a_shell_script_with_a_python_program_in_it(warm: bool) -> None:
    text = script(warm=warm)
    subprocess.run(["bash", "-n"], input=text.encode(), check=True)
    program = re.search(r"<<'PYTHON'\n(.*?)^PYTHON$", text, re.S | re.M)
    assert program is not None
    compile(program.group(1), "ops-converge", "exec")
    assert "{%" not in text


def test_a_host_of_the_warm_pool_joins_again_when_it_is_started() -> None:
    assert "systemctl enable ops-join.service" in script(warm=True)
    assert "ConditionPathExists=/var/lib/ops-warm" in script(warm=True)
    assert "warm" not in script().lower()


def test_what_ec2_would_not_take_is_refused() -> None:
    with pytest.raises(ValueError, match=f"EC2 takes {LIMIT_BYTES}"):
        script(role="r" * LIMIT_BYTES)
