"""``FOLDER.training``: what a stopped run needs to go on, and its log."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from yesrank.errors import InputError

log = logging.getLogger("training")

_SETTINGS, _STATE, _BEST, _LOG, _LOCK = "settings.json", "state.pt", "best.pt", "training.jsonl", "lock"


class RunFolder:
    """Beside the folder that a run will make. Held by one process at a time."""

    def __init__(self, out: Path, identity: Mapping[str, str], *, restart: bool) -> None:
        """Raises InputError where `out` exists, another process is at work, or other settings were started with."""
        if out.exists() or out.is_symlink():
            raise InputError("out", f"{out} exists already", "remove it first, or name a new folder")
        self.path = out.absolute().with_name(f"{out.name}.training")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                "out", f"{self.path} cannot be made: {error.strerror}", "name another folder"
            ) from error
        self._lock = FileLock(self.path / _LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                "out", f"another process trains into {out}", "wait for it, or name another"
            ) from None
        if restart:
            self._clear()
        self._agree(identity)

    def note(self, event: str, text: str, **values: object) -> None:
        """One line for a person, on stderr, and one object in the log file."""
        log.info("%s", text)
        entry = {"time": time.strftime("%Y-%m-%dT%H:%M:%S"), "event": event, **values}
        with (self.path / _LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def facts(self, name: str) -> Any:
        """What `keep` stored under this name, or None."""
        path = self.path / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def keep(self, name: str, value: object) -> None:
        """Stores a JSON value, whole or not at all."""
        self._replace(f"{name}.json", lambda path: path.write_text(json.dumps(value), encoding="utf-8"))

    def load_state(self) -> dict[str, Any] | None:
        """The last saved state, on the CPU."""
        return self._load(_STATE)

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Replaces the saved state."""
        self._replace(_STATE, lambda path: torch.save(dict(state), path))

    def load_best(self) -> dict[str, Any] | None:
        """The best weights so far."""
        return self._load(_BEST)

    def save_best(self, weights: Mapping[str, Any]) -> None:
        """Replaces the best weights."""
        self._replace(_BEST, lambda path: torch.save(dict(weights), path))

    def copy_log(self, folder: Path) -> None:
        """Puts the log into the finished folder."""
        shutil.copyfile(self.path / _LOG, folder / _LOG)

    def close(self) -> None:
        """Lets another process in."""
        self._lock.release()

    def remove(self) -> None:
        """When all is done."""
        self.close()
        shutil.rmtree(self.path, ignore_errors=True)

    def _agree(self, identity: Mapping[str, str]) -> None:
        old = self.facts("settings")
        if old is None:
            self.keep("settings", dict(identity))
            return
        for name, value in identity.items():
            if old.get(name) != value:
                raise InputError(
                    name.replace("_", "-"),
                    f"the stopped run in {self.path} had {old.get(name)}, not {value}",
                    "give the same settings to go on, or --restart to begin again, or another --out",
                )

    def _clear(self) -> None:
        for path in self.path.iterdir():
            if path.name != _LOCK:
                path.unlink()

    def _load(self, name: str) -> dict[str, Any] | None:
        path = self.path / name
        if not path.exists():
            return None
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return found

    def _replace(self, name: str, write: Any) -> None:
        """A kill, or a full disk, leaves the old file whole."""
        new = self.path / f"{name}.new"
        write(new)
        with new.open("rb+") as file:
            os.fsync(file.fileno())
        new.replace(self.path / name)
