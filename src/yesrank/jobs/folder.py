"""What a job keeps beside its output while it is not finished: what it is, and the partitions that are done."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from yesrank.errors import JobError
from yesrank.jobs.files import remove_partials, write_whole, writing
from yesrank.jobs.pairs import Partition, Rows
from yesrank.jobs.parts import part_path, read_part

_FORMAT = 1
_ANEW = "run it as it was begun; or start over, and lose what is done: --anew; or name another output"
_WORDS = {"input": "another input", "model": "other model files"}


def work_folder(output: Path) -> Path:
    """Where the partitions of an unfinished job lie."""
    return output.with_name(f"{output.name}.job")


def manifest_of(digest: str, pairs: int, settings: Mapping[str, object]) -> dict[str, Any]:
    """What a job is: its input, and all that its numbers depend on besides."""
    return {"format": _FORMAT, "input": digest, "pairs": pairs, "settings": dict(settings)}


def check_same(where: Path, was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises JobError, which names what differs, where the two are not the same job."""
    if was == now:
        return
    told = [*differences({"input": was.get("input")}, {"input": now["input"]})]
    told += differences(was.get("settings", {}), now["settings"])
    raise JobError(f"{where} is of another job: {'; '.join(told) or 'another format'}", _ANEW)


def claim_folder(output: Path, manifest: Mapping[str, Any]) -> Path:
    """The job's folder, made where it is not there. Raises JobError where it is another job's, or cannot be made.

    A folder in which no partition is done yet becomes this job's: there is nothing to lose.
    """
    folder = work_folder(output)
    card = folder / "job.json"
    if folder.is_dir() and any(folder.glob("part-*.parquet")):
        check_same(folder, _read(card), manifest)
        return folder
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    write_whole(card, lambda file: file.write(text.encode()))
    return folder


def known_parts(
    folder: Path, partitions: Sequence[Partition], settings: Mapping[str, object]
) -> tuple[dict[int, Rows], tuple[str, ...]]:
    """(rows by index, notes) of what is done. A file that is damaged is told of, and its partition computed again."""
    found: dict[int, Rows] = {}
    notes = []
    for partition in partitions:
        path = part_path(folder, partition)
        remove_partials(path)
        if not path.exists():
            continue
        rows = read_part(folder, partition, settings)
        if rows is None:
            notes.append(
                f"{path} is damaged or not of this job: its {len(partition.pairs)} pairs are computed again"
            )
        else:
            found[partition.index] = rows
    return found, tuple(notes)


def remove_folder(output: Path) -> None:
    """The card goes last: a folder without it, and with partitions, is refused as damaged."""
    folder = work_folder(output)
    for path in folder.glob("part-*"):
        path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _read(card: Path) -> dict[str, Any]:
    try:
        found = json.loads(card.read_bytes())
    except (OSError, ValueError) as error:
        raise JobError(
            f"{card} is damaged, and says no more what the partitions beside it are of", _ANEW
        ) from error
    if not isinstance(found, dict):
        raise JobError(f"{card} is damaged", _ANEW)
    return found


def differences(was: Mapping[str, Any], now: Mapping[str, Any], of: str = "") -> list[str]:
    """In words, each thing that is not the same in both."""
    found = []
    for name in dict.fromkeys((*was, *now)):
        one, other = was.get(name), now.get(name)
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            found += differences(one, other, of=f"{name.removesuffix('s')} of ")
        else:
            found.append(_WORDS.get(name) or f"{of}{name.replace('_', ' ')} was {one}, and is {other}")
    return found
