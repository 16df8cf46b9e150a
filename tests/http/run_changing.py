"""`PYTHONPATH=tests python tests/http/run_changing.py 200000 [SEED] [GB] [MINUTES]`: so many of changing.py's requests.

They go to a server of its own, whose models may take so much memory together, for so many minutes at most. Prints what
came back, part by part and at the end: answers by model and status, wrong ones, the server's memory, how long /health
took.
"""

import math
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
from changing import Tally, attack
from changing_models import Mover, Question, entries, make_models, questions
from hostile import CANARY

from yesrank.serve.app import create_app
from yesrank.serve.models.pool import PoolOptions
from yesrank.serve.run import bind, run
from yesrank.serve.settings import Settings
from yesrank.serve.signals import Signals
from yesrank.serve.watch import logs

IDLE = 4.0
THREADS, PARTS = 20, 50
PAUSES = (0.2, 0.5, 1, 3)


class Watcher(threading.Thread):
    """Asks for /health four times a second. process: whose memory is noted."""

    def __init__(self, url: str, process: psutil.Process, wrong: list[str]) -> None:
        super().__init__(daemon=True)
        self._url, self._process, self._wrong = url, process, wrong
        self.over = threading.Event()
        self.seconds: list[float] = []
        self.memory: list[tuple[int, int, int, int]] = []  # seconds, MB, threads, files

    def run(self) -> None:
        begun = time.monotonic()
        with httpx.Client(base_url=self._url, timeout=60) as client:
            while not self.over.wait(0.25):
                asked = time.monotonic()
                try:
                    status = client.get("/health").status_code
                except httpx.HTTPError as error:
                    self._wrong.append(f"/health: {type(error).__name__}")
                    continue
                self.seconds.append(time.monotonic() - asked)
                if status != 200:
                    self._wrong.append(f"/health: {status}")
                with suppress(psutil.Error):
                    memory, p = self._process.memory_info().rss >> 20, self._process
                    self.memory.append((int(asked - begun), memory, p.num_threads(), p.num_fds()))


@contextmanager
def disturbed(
    url: str, root: Path, process: psutil.Process, tally: Tally, seed: int, pauses: Sequence[float] = PAUSES
) -> Iterator[tuple[Mover, Watcher]]:
    """The folder of "moving" changes, and /health is asked for, inside the block."""
    mover, watcher = Mover(root, seed, pauses), Watcher(url, process, tally.wrong)
    mover.start()
    watcher.start()
    try:
        yield mover, watcher
    finally:
        for each in (mover, watcher):
            each.over.set()
            each.join(60)


def serve(root: Path, gigabytes: float) -> None:
    """A server whose models may take so much memory together. Prints its address."""
    process = psutil.Process()
    available = lambda: max(0, int(gigabytes * 1e9) - process.memory_info().rss)  # noqa: E731
    settings = Settings(port=0, idle_unload=IDLE)
    logs.set_up("text")
    signals = Signals()
    signals.listen()
    app = create_app(settings, entries(root), PoolOptions(idle_seconds=IDLE, available=available))
    listener = bind(settings)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    run(app, settings, listener, signals)


def main() -> None:
    """See the top."""
    if sys.argv[1] == "--serve":
        serve(Path(sys.argv[2]), float(sys.argv[3]))
        return
    number, given = int(sys.argv[1]), [*map(float, sys.argv[2:])]
    seed, gigabytes, minutes = [*given, *(1, 1.6, math.inf)[len(given) :]]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as log:
        root = Path(folder)
        os.environ["YESRANK_HASHES"] = str(root / "hashes.sqlite")
        make_models(root)
        asked = questions(root, 40, int(seed))
        command = [sys.executable, __file__, "--serve", folder, str(gigabytes)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            _report(process, process.stdout.readline().strip(), root, asked, number, int(seed), minutes)
            process.terminate()
            print(f"exit code {process.wait(60)}")
        finally:
            process.kill()
        log.seek(0)
        text = log.read()
    # a path that leads nowhere is logged
    told = [line for line in text.splitlines() if CANARY in line and " path=" not in line]
    print(f"text in the log: {told[:3]}; crashes: {text.count(' crash ') + text.count('Traceback')}")
    errors = Counter(re.sub(r"[\d.]+", "N", line)[17:130] for line in text.splitlines() if " error " in line)
    print("errors in the log:", *errors.most_common(12), sep="\n  ")


def _report(
    process: "subprocess.Popen[str]",
    url: str,
    root: Path,
    asked: list[Question],
    number: int,
    seed: int,
    minutes: float,
) -> None:
    tally, begun, sent = Tally(), time.monotonic(), 0
    with disturbed(url, root, psutil.Process(process.pid), tally, seed) as (mover, watcher):
        for part in range(PARTS):
            if time.monotonic() - begun > 60 * minutes:
                break
            attack(
                int(url.rsplit(":", 1)[1]),
                asked,
                seed * 100 + part,
                THREADS,
                number // THREADS // PARTS,
                tally,
            )
            sent += number // THREADS // PARTS * THREADS
            print(
                f"{time.monotonic() - begun:.0f} s: {sent} sent, {tally.known} known, "
                f"{len(tally.wrong)} wrong {tally.wrong[-1:]}, memory {watcher.memory[-1:]}",
                flush=True,
            )
    health = sorted(watcher.seconds)
    print(
        f"{sent} requests in {time.monotonic() - begun:.0f} s, of other kinds: {sorted(tally.statuses.items())}"
    )
    print(f"by model: {sorted(tally.kinds.items())}")
    print(f"changes of files: {sorted(mover.done.items())}")
    print(f"{tally.known} known answers; wrong: {len(tally.wrong)} {tally.wrong[:10]}")
    print(f"/health {len(health)} times, p50 {health[len(health) // 2]:.3f} s, longest {health[-1]:.3f} s")
    print(f"memory (s, MB, threads, files): {watcher.memory[:: max(1, len(watcher.memory) // 20)]}")
    print(
        f"models: {[(m['id'], m['state'], m.get('reason')) for m in httpx.get(f'{url}/v1/models').json()['data']]}"
    )


if __name__ == "__main__":
    main()
