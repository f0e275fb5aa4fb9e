"""A cloud with the AWS API and nothing else: what the engine's tests run against, in a process of its own.

python moto_cloud.py FOLDER     writes FOLDER/daemon.json and serves until its stdin closes
"""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from faulty import Faulty

from quartermaster.fleet.aws import LocalCloud
from quartermaster.fleet.processes import process_started
from quartermaster.infra import local
from quartermaster.infra.local import moto_acm, moto_elbv2, moto_group_settings, moto_schedule
from quartermaster.infra.local.authority import Authority
from quartermaster.infra.local.moto_data import install


def main() -> None:
    home = Path(sys.argv[1])
    os.environ["MOTO_AMIS_PATH"] = str(Path(local.__file__).with_name("images.json"))
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    install()
    moto_acm.install(Authority.new())
    moto_elbv2.correct()
    moto_group_settings.install()
    moto_schedule.install()
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log_request(self, *args: object, **kwargs: object) -> None:
            """Not a line a request."""

    moto, lock = DomainDispatcherApplication(create_backend_app), threading.Lock()

    def application(environ, start_response):  # type: ignore[no-untyped-def]
        if environ["PATH_INFO"].startswith("/_ops/status"):
            start_response("200 OK", [("Content-Type", "application/json")])
            return [b'{"hosts": [], "balancers": [], "databases": []}']
        with lock:
            return [b"".join(moto(environ, start_response))]

    server = make_server("127.0.0.1", 0, Faulty(application), threaded=True, request_handler=Quiet)
    cloud = LocalCloud(
        instance=os.urandom(3).hex(), pid=os.getpid(), pid_started=process_started(os.getpid()),
        endpoint=f"http://127.0.0.1:{server.server_port}", access_key="AKIATEST", secret_key="test",
    )  # fmt: skip
    draft = home / "daemon.json.new"
    draft.write_text(json.dumps(asdict(cloud)), encoding="utf-8")
    draft.rename(home / "daemon.json")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
