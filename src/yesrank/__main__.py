"""The way in, as a command and as `python -m yesrank`: Ctrl-C ends it quietly from the first import on."""

import os
import signal


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:  # and not a parent that wants it ignored
        signal.signal(signal.SIGINT, _leave)
    from yesrank.cli.main import main as run

    signal.signal(signal.SIGINT, usual)
    try:
        run()
    finally:
        if usual is signal.default_int_handler:
            signal.signal(signal.SIGINT, _leave)


def _leave(*_: object) -> None:
    """Ends at once: there is nothing to tidy up before the verb begins and after it has ended."""
    os._exit(130)


if __name__ == "__main__":
    main()
