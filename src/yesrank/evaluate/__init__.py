"""How good a ranking is: collections, a first stage, models over its candidates, figures with their certainty.

files ─ collection ─► Collection ─ firststage ─► FirstStage ─ reranking ─► Reranked ─ measures ─► System ─► Evaluation
"""

from yesrank.evaluate.collection import Collection, read_files, read_folder
from yesrank.evaluate.contender import Contender, contender
from yesrank.evaluate.firststage import FirstStage, bm25, from_run
from yesrank.evaluate.run import Evaluation, System, evaluate
from yesrank.evaluate.scorestore import ScoreStore, default_path

__all__ = [
    "Collection",
    "Contender",
    "Evaluation",
    "FirstStage",
    "ScoreStore",
    "System",
    "bm25",
    "contender",
    "default_path",
    "evaluate",
    "from_run",
    "read_files",
    "read_folder",
]
