"""What ends a server from outside, from its first moment to its last.

| signal | |
|---|---|
| SIGTERM, SIGINT (Ctrl-C), SIGHUP (the terminal was closed) | accepted work is finished; the code is 0 |
| one of SIGTERM and SIGHUP again | nothing more: supervisors send them several times |
| SIGINT after any of them | ends at once, with one line and code 130 |

SIGHUP stays ignored where it is ignored at the start, as `nohup` has it.
"""

import os
import signal
import sys
from types import FrameType
from typing import Protocol

AT_ONCE = 130
"""The code of programs that Ctrl-C has ended."""
_LINE = b"yesrank: ended at once, without what was unfinished\n"


class Stoppable(Protocol):
    """A server that looks at this now and then."""

    should_exit: bool


class Signals:
    """Listens to the signals of this process; from the main thread only."""

    def __init__(self) -> None:
        self._server: Stoppable | None = None
        self._asked = False

    def listen(self) -> None:
        """From now on: before there is a server the process ends at the first signal."""
        for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)  # the last is Windows', which lacks the one before
            if number is None or (name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):
                continue
            signal.signal(number, self._on_signal)

    def direct_to(self, server: Stoppable) -> None:
        """Signals stop this server from now on, one that has come already too."""
        self._server = server
        if self._asked:
            server.should_exit = True

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        again, self._asked = self._asked, True
        if again and number == signal.SIGINT:
            # threads of engines cannot be stopped, and tasks that are torn down would each write a traceback
            os.write(2, _LINE)
            os._exit(AT_ONCE)
        if self._server is not None:
            self._server.should_exit = True
        elif not again:
            sys.exit(0)
