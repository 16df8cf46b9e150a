"""Kills an index run before its n-th statement to SQLite, and looks at what is left and what the next run makes of it.

A program of its own: it forks, so that each try begins in a process without threads, and no import is paid twice.
Arguments: an empty folder, and n: every n-th statement is tried. Prints one JSON object.
"""

import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ROOT, STRIDE = Path(sys.argv[1]), int(sys.argv[2])
os.environ["YESRANK_INDEXES"] = str(ROOT / "indexes")

from yesrank.errors import IndexNotFound  # noqa: E402
from yesrank.search import Index, database, index, postings, writing  # noqa: E402

writing.PENDING, postings._SMALL, postings.FAN = 4, 4, 2  # segments and merges of a few passages
FILES = ROOT / "files"
WORDS = ["amber", "birch", "cedar", "delta", "ember", "frost", "grove", "heath", "inlet", "jetty"]
QUERIES = [*WORDS, "amber cedar", "grove changed", "new"]
Content = list[list[tuple[str, str, float]]]


def write_first() -> None:
    FILES.mkdir()
    for number in range(12):
        words = [WORDS[number % 10], WORDS[number * 7 % 10], WORDS[number * 3 % 10]]
        sections = (f"# {word}\n\n{' '.join(words)} {number}\n" for word in words)
        (FILES / f"{number:02}.md").write_text("\n".join(sections))


def write_second() -> None:
    """Some files change, one goes, one comes."""
    for number in (1, 4, 7):
        (FILES / f"{number:02}.md").write_text(f"# {WORDS[number]}\n\ngrove changed {number}\n")
    (FILES / "05.md").unlink()
    (FILES / "12.md").write_text("# jetty\n\nnew amber\n")


def content() -> Content:
    """What is found, and with which score; numbers of passages may differ."""
    with Index("killed") as opened:
        opened.check()
        return [
            sorted(
                (found.passage.path, found.passage.text, round(found.score, 5))
                for found in opened.candidates(query, 100)
            )
            for query in QUERIES
        ]


def files() -> int:
    with Index("killed") as opened:
        return opened.status().files


def run() -> None:
    """Notes each file before it is begun."""
    with (ROOT / "begun").open("w") as begun:
        index([FILES], "killed", told=lambda path: print(path, file=begun, flush=True))


def killed_at(number: int, work: Callable[[], None]) -> bool:
    """Runs it in a child that is killed before statement `number`; False where it has fewer."""
    child = os.fork()
    if child == 0:
        seen = 0
        plain = database._connect

        def connect(path: Path) -> sqlite3.Connection:
            connection = plain(path)

            def trace(statement: str) -> None:
                nonlocal seen
                seen += 1
                if seen == number:
                    os.kill(os.getpid(), signal.SIGKILL)

            connection.set_trace_callback(trace)
            return connection

        database._connect = connect
        try:
            work()
        except BaseException as error:
            print(error, file=sys.stderr)
            os._exit(3)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, "the run failed"
    return False


def clear() -> None:
    shutil.rmtree(ROOT / "indexes", ignore_errors=True)


def restore(kept: Path) -> None:
    clear()
    shutil.copytree(kept, ROOT / "indexes")


def tries(before: Callable[[], None], expected: Content, *, all_new: bool) -> int:
    """Kills at every STRIDE-th statement; each time the index can be read, and the next run completes it."""
    kills, number = 0, 1
    while True:
        before()
        if not killed_at(number, run):
            return kills
        kills += 1
        with suppress(IndexNotFound):  # killed before there was one
            content()  # whole, whatever it holds
            assert all_new is False or files() >= len((ROOT / "begun").read_text().split()) - 1, (
                "the file in work"
            )
        run()
        assert content() == expected, f"killed before statement {number}"
        number += STRIDE


def main() -> None:
    write_first()
    run()
    first = content()
    shutil.copytree(ROOT / "indexes", ROOT / "kept")
    kills = tries(clear, first, all_new=True)
    write_second()
    run()
    second = content()
    clear()
    run()
    assert content() == second, "brought up to date, it holds what a new one does"
    kills += tries(lambda: restore(ROOT / "kept"), second, all_new=False)
    print(json.dumps({"kills": kills, "files": files()}))


main()
