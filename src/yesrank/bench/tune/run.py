"""The measurement: every profile in every round, one process at a time."""

from collections.abc import Callable, Sequence

from yesrank.bench.tune.figures import Bounds, Tuning, tuning
from yesrank.bench.tune.processes import Failed, run
from yesrank.bench.tune.profiles import Profile
from yesrank.bench.tune.sample import Sample
from yesrank.bench.tune.worker import Ran
from yesrank.errors import EngineError
from yesrank.store import Entry

Say = Callable[[str], None]
ROUNDS = 3


def tune(
    entry: Entry,
    profiles: Sequence[Profile],
    sample: Sample,
    *,
    rounds: int = ROUNDS,
    bounds: Bounds | None = None,
    progress: Say | None = None,
) -> Tuning:
    """Measures the entry's model in each profile. progress is told each step.

    A round runs each profile once, each time in a new process, so that a machine that slows down for a while slows down
    all of them; every round begins with another one. A profile that fails is not tried again. Raises EngineError where
    none has run.
    """
    say = progress or (lambda _: None)
    ran: dict[Profile, list[Ran]] = {profile: [] for profile in profiles}
    failed: dict[Profile, str] = {}
    for number in range(rounds):
        at = number % len(profiles)
        for profile in (*profiles[at:], *profiles[:at]):
            if profile in failed:
                continue
            try:
                result = run(profile.of(entry), sample)
            except Failed as error:
                failed[profile] = str(error)
                say(f"round {number + 1} of {rounds}: {profile.name}: failed: {error}")
                continue
            ran[profile].append(result)
            say(f"round {number + 1} of {rounds}: {profile.name}: {_told(result, sample)}")
    whole = {profile: results for profile, results in ran.items() if profile not in failed}
    if not whole:
        reasons = "; ".join(f"{profile.name}: {reason}" for profile, reason in failed.items())
        raise EngineError(
            f"no profile of {entry.path} runs here: {reasons}", "yesrank doctor shows what is here"
        )
    return tuning(sample, bounds or Bounds(), rounds, whole, failed)


def _told(result: Ran, sample: Sample) -> str:
    count = sample.documents
    return f"{count / result.seconds:.2f} documents/s, {result.cpu_seconds / count:.3f} CPU s a document"
