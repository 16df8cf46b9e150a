"""Kills the store's operations before every change that they make to a file, and looks at what is left.

A program of its own: it forks, so that each try begins in a process without threads, and no import is paid twice.
Arguments: the operation, a checkpoint, an empty folder, and n: every n-th change is tried. Prints one JSON object.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from yesrank.convert import convert
from yesrank.errors import ModelNotFound
from yesrank.manifest import check_files, read_manifest
from yesrank.store import Entry, Store, folders, forget, pull, take_in

assert convert is not None and folders is not None  # imported before the forks

HUB_ID, COMMIT = "acme/tiny", "0123456789abcdef0123456789abcdef01234567"
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link"}
SOURCE, ROOT = Path(sys.argv[2]), Path(sys.argv[3])
MODELS = ROOT / "models"


def add() -> None:
    take_in(Store(), Entry("m", SOURCE), str(SOURCE))


def add_if_not_there() -> None:
    if Store().find("m") is None:
        add()


def pull_it() -> None:
    pull(Store(), HUB_ID, name="m")


def remove() -> None:
    forget(Store(), "m", delete_files=True)


def remove_if_there() -> None:
    with suppress(ModelNotFound):
        remove()


def remove_and_add() -> None:
    remove_if_there()
    add()


OPERATIONS: dict[str, tuple[Callable[[], None], ...]] = {
    # what is done before, what is killed, what is done again after it
    "add": (lambda: None, add, add_if_not_there),
    "pull": (lambda: None, pull_it, pull_it),
    "remove-then-add": (add, remove, remove_and_add),
    "remove-then-pull": (pull_it, remove, pull_it),
}


def killed_before(change: int) -> Callable[[str, tuple[object, ...]], None]:
    """An audit hook: SIGKILL before the n-th change to a file below ROOT."""
    left = change

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        writes = (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        )
        if (event in CHANGES or writes) and str(arguments[0]).startswith(str(ROOT)):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


def in_child(work: Callable[[], object], change: int = 0) -> bool:
    """Runs it in a process of its own; False where that was killed. Raises where it failed."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            if change:
                sys.addaudithook(killed_before(change))
            work()
            status = 0
        except BaseException as error:
            print(
                f"before change {change or '-'}: {type(error).__name__}: {error}", file=sys.stderr, flush=True
            )
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0, "an operation failed"
    return True


def check_names_have_whole_folders() -> None:
    for entry in Store().list():
        manifest = read_manifest(entry.path)
        assert manifest is not None, f"{entry.path} has no manifest"
        check_files(entry.path, manifest, hashes=True)


def check_all_is_there() -> None:
    check_names_have_whole_folders()
    assert [entry.name for entry in Store().list()] == ["m"]
    assert (MODELS / "m").is_dir()


def check_nothing_is_there() -> None:
    assert Store().list() == ()
    assert not list(MODELS.iterdir()), sorted(MODELS.iterdir())


def main() -> None:
    before, killed, again = OPERATIONS[sys.argv[1]]
    prepared = ROOT.with_name(f"{ROOT.name}-prepared")
    ROOT.mkdir(exist_ok=True)
    in_child(before)
    shutil.copytree(ROOT, prepared, symlinks=True)
    kills, stride = 0, int(sys.argv[4])
    while True:
        shutil.rmtree(ROOT)
        shutil.copytree(prepared, ROOT, symlinks=True)
        if in_child(killed, kills * stride + 1):
            break
        kills += 1
        print(f"killed {kills}", file=sys.stderr, flush=True)
        in_child(check_names_have_whole_folders)
        in_child(again)
        in_child(check_all_is_there)
        in_child(remove)
        in_child(check_nothing_is_there)
    print(json.dumps({"kills": kills}))


if __name__ == "__main__":
    main()
