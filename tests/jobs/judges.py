"""Judges that workers open: the stand-in, and one whose process ends at a word. Imported there by this name."""

import os
from collections.abc import Sequence

from job_stand_ins import HashJudge

from yesrank.store import Entry
from yesrank.types import FloatArray, Progress, Prompt


class DeadlyJudge(HashJudge):
    """A document that says DEADLY takes the process with it, as one that needs too much memory does."""

    def logits(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> FloatArray:
        if any(b"DEADLY" in bytes(prompt.ids) for prompt in prompts):
            os._exit(137)
        return super().logits(prompts, progress)


def hashes(_: Entry) -> HashJudge:
    return HashJudge()


def deadly(_: Entry) -> HashJudge:
    return DeadlyJudge()


def always_dies(_: Entry) -> HashJudge:
    os._exit(1)


def dead_engine(_: Entry) -> HashJudge:
    return HashJudge(dead=True)
