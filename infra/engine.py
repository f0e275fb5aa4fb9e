"""The adapter over Pulumi's Automation API: one stack, its operations as streams of the engine's own events.

Nothing of Pulumi's keyword soup and none of its errors passes this file.
"""

from __future__ import annotations

import asyncio
import functools
import os
import queue
import shutil
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from pulumi import automation
from pulumi.automation import errors
from pulumi.automation.events import EngineEvent

from quartermaster.fleet.errors import LeaseHeld, MissingPart, OpsError
from quartermaster.infra.aws_errors import remedy_of
from quartermaster.infra.locks import holders
from quartermaster.infra.setup.engine import find

__all__ = ["Engine"]

_QUIET = {
    "PULUMI_SKIP_UPDATE_CHECK": "true",
    "PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "true",
}
_LOCAL_ONLY = {
    # Nothing may be fetched: the one provider is served by this process.
    "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
}
_DONE = object()


class _Command(automation.PulumiCommand):
    """The CLI, which the kernel kills in the instant in which this process dies.

    Left alone it would live on for half a second, take the lost provider for failed creations, and strike from the
    state what had been made all the same: nothing could then be found again.
    """

    def __init__(self, program: Path) -> None:
        super().__init__(root=str(program.parent.parent), skip_version_check=True)
        launcher = shutil.which("setpriv")  # of util-linux: on every Linux, on nothing else
        self._words: list[str] = []
        if launcher:
            # The SDK puts --non-interactive in front unless it is there.
            self._words = ["--pdeathsig", "KILL", self.command, "--non-interactive"]
            self.command = launcher

    def run(self, args: list[str], *rest: Any, **more: Any) -> Any:
        return super().run([*self._words, *args], *rest, **more)


_command = functools.cache(_Command)
"""One for a program: the SDK asks each for its version, 0.2 s."""


class _Stack(automation.Stack):
    """A stack that exists. Skips what the SDK asks the CLI for around each operation and nobody reads: 1 s."""

    def __init__(self, name: str, workspace: automation.Workspace) -> None:
        # Not the parent's: it would run `pulumi stack select`.
        self.name = name
        self.workspace = workspace

    def outputs(self) -> automation.OutputMap:
        return {}

    def info(self, show_secrets: bool = True) -> automation.UpdateSummary | None:  # noqa: ARG002
        now = datetime.now(UTC)
        return automation.UpdateSummary("update", now, "", {}, {}, "succeeded", end_time=now)


class Engine:
    """One stack in its backend."""

    def __init__(
        self,
        *,
        project: str,
        stack: str,
        folder: Path,
        backend: str,
        passphrase: Path | None,
        secrets_provider: str = "",
        provider: Callable[[], AbstractContextManager[str]] | None,
        config: Mapping[str, str],
        home: Path | None = None,
    ) -> None:
        self.project = project
        self.stack_name = stack
        self._folder = folder
        self.backend = backend
        self._provider = provider
        self._config = config
        self._home = home
        self._secrets_provider = secrets_provider
        self._environment = {**_QUIET, **(_LOCAL_ONLY if provider else {}), "PULUMI_BACKEND_URL": backend}
        if passphrase is not None:
            self._environment["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(passphrase)
        self._made: _Stack | None = None

    @property
    def state_file(self) -> Path | None:
        """The stack's checkpoint in a folder backend; None for other backends."""
        if not self.backend.startswith("file://"):
            return None
        root = Path(self.backend.removeprefix("file://"))
        return root / ".pulumi" / "stacks" / self.project / f"{self.stack_name}.json"

    def preview(self, program: Callable[[], None]) -> Iterator[EngineEvent]:
        """Compare the program with the state; yields the engine's events."""
        return self._stream(lambda stack, on_event: stack.preview(program=_settled(program), on_event=on_event))

    def up(self, program: Callable[[], None], *, targets: list[str] | None = None) -> Iterator[EngineEvent]:
        """Make the cloud as the program says."""
        return self._stream(
            lambda stack, on_event: stack.up(
                program=_settled(program), on_event=on_event, target=targets, show_secrets=False, suppress_outputs=True
            )
        )

    def destroy(self, *, exclude_protected: bool) -> Iterator[EngineEvent]:
        """Delete what the state holds."""
        return self._stream(
            lambda stack, on_event: stack.destroy(
                on_event=on_event, exclude_protected=exclude_protected or None, show_secrets=False
            )
        )

    def refresh(self, *, targets: list[str] | None = None) -> Iterator[EngineEvent]:
        """Read the cloud into the state."""
        return self._stream(
            lambda stack, on_event: stack.refresh(on_event=on_event, target=targets, show_secrets=False)
        )

    def drift(self) -> Iterator[EngineEvent]:
        """Read the cloud and compare it with the state, which stays as it is."""
        return self._stream(lambda stack, on_event: stack.preview_refresh(on_event=on_event))

    def export(self) -> dict[str, Any]:
        """The state."""
        with self._translated():
            return dict(self._stack().export_stack().deployment or {})

    def replace_state(self, deployment: Mapping[str, Any]) -> None:
        """Write another state in its place."""
        value = automation.Deployment(version=3, deployment=dict(deployment))
        with self._translated():
            self._stack().import_stack(value)

    def take_in(self, resources: list[dict[str, Any]], names: Mapping[str, str]) -> None:
        """Import resources that exist into the state (`pulumi import`); the cloud stays as it is."""
        with self.environment() as values, self._translated():
            stack = self._stack()
            # The host of the language runs in the Python that has our packages.
            stack.workspace.env_vars = {**values, "PULUMI_PYTHON_CMD": sys.executable}
            stack.import_resources(
                resources=cast("Any", resources), name_table=dict(names), protect=False, generate_code=False
            )

    @contextmanager
    def environment(self) -> Iterator[dict[str, str]]:
        """What a plain ``pulumi`` needs in its environment for this stack. The provider is served in the block."""
        with self._provider() if self._provider else nullcontext("") as words:
            served = {"PULUMI_DEBUG_PROVIDERS": words} if words else {}
            yield {**self._environment, **({"PULUMI_HOME": str(self._home)} if self._home else {}), **served}

    def _stack(self) -> _Stack:
        if self._made is None:
            with self._translated():
                self._made = self._open()
        return self._made

    def _open(self) -> _Stack:
        program = find()
        if program is None:
            raise MissingPart("the Pulumi engine is not installed", remedy="ops setup")
        self._folder.mkdir(parents=True, exist_ok=True)
        settings = automation.ProjectSettings(name=self.project, runtime="python")
        workspace = automation.LocalWorkspace(
            work_dir=str(self._folder),
            pulumi_home=str(self._home) if self._home else None,
            env_vars=self._environment,
            project_settings=settings,
            secrets_provider=self._secrets_provider or None,
            pulumi_command=_command(program),
        )
        if self.state_file is None or not self.state_file.exists():
            automation.Stack.create_or_select(self.stack_name, workspace)
            if self._config:
                values = {key: automation.ConfigValue(value) for key, value in self._config.items()}
                workspace.set_all_config(self.stack_name, values)
        return _Stack(self.stack_name, workspace)

    def _stream(self, act: Callable[[_Stack, Callable[[EngineEvent], None]], Any]) -> Iterator[EngineEvent]:
        events: queue.Queue[Any] = queue.Queue()
        failures: list[BaseException] = []

        def work(stack: _Stack) -> None:
            try:
                act(stack, events.put)
            except BaseException as exc:  # noqa: BLE001  handed to the consumer's thread
                failures.append(exc)
            finally:
                events.put(_DONE)

        with self.environment() as values:
            stack = self._stack()
            # Read anew by each CLI process, never from this process's own environment.
            stack.workspace.env_vars = values
            thread = threading.Thread(target=work, args=(stack,), name="pulumi", daemon=True)
            thread.start()
            try:
                while (event := events.get()) is not _DONE:
                    yield event
            finally:
                if thread.is_alive() and not failures:
                    self._interrupt(thread)
                thread.join()
        if failures:
            with self._translated():
                raise failures[0]

    def _interrupt(self, thread: threading.Thread) -> None:
        """Whoever consumed the events went away: let the engine finish what it has begun and start nothing new."""
        thread.join(timeout=0.2)
        if thread.is_alive():
            for holder in holders(self.state_file):
                if holder.alive and holder.parent == os.getpid():
                    os.kill(holder.pid, signal.SIGINT)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """The SDK's errors of the block as ours."""
        try:
            yield
        except errors.ConcurrentUpdateError as exc:
            raise LeaseHeld(
                f"another Pulumi process works on stack {self.stack_name!r}",
                remedy="wait for it; if its machine is gone: ops pulumi -- cancel",
            ) from exc
        except errors.CommandError as exc:
            said = _essence(str(exc))
            remedy = remedy_of(said) or "correct it and run the command again"
            raise OpsError(f"the Pulumi engine failed:\n{said}", remedy=remedy) from exc


def _settled(program: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    """The program, which ends when its outputs are known or one has failed.

    Left to itself the SDK asks all that are open each time that one is done: half of a stack's CPU time at 300
    resources, and growing with their square.
    """

    async def whole() -> None:
        from pulumi.runtime.settings import SETTINGS

        program()
        while waiting := [output for output in SETTINGS.outputs if not output.done()]:
            _, left = await asyncio.wait(waiting, return_when=asyncio.FIRST_EXCEPTION)
            if left:
                return  # the SDK finds the failure, and tells it

    return whole


def _essence(text: str) -> str:
    """The lines of the CLI's output that say what went wrong."""
    lines = [line.strip().removeprefix("stderr: ") for line in text.splitlines()]
    wanted = [line for line in lines if "error:" in line]
    return "\n".join(dict.fromkeys(wanted)) or "\n".join(line for line in lines if line)[-2000:]
