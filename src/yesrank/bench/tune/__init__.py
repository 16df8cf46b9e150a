"""Which way of running a model is the best here: every profile of a folder, measured on the user's own documents.

folder ─ profiles ─► Profile ┐
texts ─── sample ──► Sample ─┴─ run (a process for each, in turns) ─► figures ─► Tuning, with the recommended profile
"""

from yesrank.bench.tune.figures import Bounds, Figures, Tuning
from yesrank.bench.tune.profiles import Profile, choose, profiles_of
from yesrank.bench.tune.run import tune
from yesrank.bench.tune.sample import Request, Sample, made_up, of_collection, of_file

__all__ = [
    "Bounds",
    "Figures",
    "Profile",
    "Request",
    "Sample",
    "Tuning",
    "choose",
    "made_up",
    "of_collection",
    "of_file",
    "profiles_of",
    "tune",
]
