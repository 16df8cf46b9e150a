"""Many queries, as a job that may be killed: input -> partitions -> rows -> one output with a row a pair.

files ─ reading, trec ─► pairs ─ plan ─► partitions ─ scoring (here, or on a cluster) ─► parts ─ output ─► Parquet, run
"""

from yesrank.jobs.model import plan_for, settings_of
from yesrank.jobs.output import Outcome, failures_path
from yesrank.jobs.reading import Reading, read
from yesrank.jobs.run import Done, Job, carry_out, in_this_process
from yesrank.jobs.trec import read_trec

__all__ = [
    "Done",
    "Job",
    "Outcome",
    "Reading",
    "carry_out",
    "failures_path",
    "in_this_process",
    "plan_for",
    "read",
    "read_trec",
    "settings_of",
]
