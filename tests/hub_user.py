"""A user of the loopback hub: the command line in processes of its own, with an empty cache and an empty store."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from yesrank.store import Store


@dataclass
class Home:
    """A user with an empty cache, an empty store, and a hub."""

    root: Path
    endpoint: str

    @property
    def store(self) -> Store:
        """The names that the commands have stored."""
        return Store(self.root / "models.toml")

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "YESRANK_"))}
        ours = {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(self.root / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
            "YESRANK_CONFIG": str(self.root / "models.toml"),
            "YESRANK_MODELS": str(self.root / "models"),
        }
        return {**kept, **ours, **more}

    def start(self, *arguments: str, **more: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", "from yesrank.cli.main import main; main()", *arguments]
        return subprocess.Popen(
            command,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def blobs(self) -> list[str]:
        """Files in the cache that hold content, or a part of it."""
        return [path.name for path in self.root.glob("hf/hub/models--*/blobs/*")]

    def fails(self, *arguments: str, **more: str) -> str:
        """What a command that fails says, and that it says it shortly, with a next step, storing nothing."""
        before = self.store.list()
        done = self.run(*arguments, **more)
        assert done.returncode == 1, done.stderr
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert "\nnext: " in done.stderr
        assert self.store.list() == before
        return done.stderr
