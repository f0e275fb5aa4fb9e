"""What `ops` asks of a local cloud that runs, and what it hears where that fails."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quartermaster.cli.main import run
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.processes import process_started
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.local.server import Application


def test_any_client_is_pointed_at_the_fleets_own_region(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text("fleet: shop\nregion: eu-central-1\n", encoding="utf-8")
    ours = {"instance": "1f2e", "pid": os.getpid(), "pid_started": process_started(os.getpid())}
    said = {**ours, "endpoint": "http://127.0.0.1:9", "access_key": "a", "secret_key": "s"}
    (Workspace(file).folder("local") / "daemon.json").write_text(json.dumps(said), encoding="utf-8")
    assert run(["local", "env", "--json", "--fleet", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["AWS_ENDPOINT_URL"], found["AWS_REGION"]) == ("http://127.0.0.1:9", "eu-central-1")


@pytest.mark.parametrize(
    ("raised", "status"),
    [(KeyError("no host 'i-1'"), "404"), (ValueError("no host 'i-1'"), "400"), (OpsError("no host 'i-1'"), "500")],
)
def test_whatever_goes_wrong_in_the_local_cloud_comes_as_an_answer_that_says_it(raised: Exception, status: str) -> None:
    def route(_body: Mapping[str, Any]) -> None:
        raise raised

    world: Any = SimpleNamespace()
    application = Application(world, None, {"hosts/kill": route}, Path(), "token")
    heard: list[str] = []
    environ = {
        "PATH_INFO": "/_ops/hosts/kill", "SERVER_NAME": "127.0.0.1", "HTTP_X_OPS_TOKEN": "token",
        "wsgi.input": io.BytesIO(),
    }  # fmt: skip
    answer = application(environ, lambda said, _head: heard.append(said))
    assert heard[0].startswith(status)
    assert json.loads(b"".join(answer)) == {"error": "no host 'i-1'"}
