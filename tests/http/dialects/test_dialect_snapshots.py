"""What every dialect answers, compared exactly with small JSON files.

After a wanted change: YESRANK_UPDATE_SNAPSHOTS=1 python -m pytest tests/http/dialects, then read the diff.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from dialect_bodies import CASES, ERRORS, made

from yesrank.errors import InputError
from yesrank.serve.dialects import recognise
from yesrank.serve.dialects.base import Fault
from yesrank.serve.http.failures import kind_of, status_of

FOLDER = Path(__file__).parent / "snapshots"
UPDATE = bool(os.environ.get("YESRANK_UPDATE_SNAPSHOTS"))


def compare(name: str, found: dict[str, Any]) -> None:
    path = FOLDER / f"{name}.json"
    text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if UPDATE:
        path.write_text(text, encoding="utf-8")
    assert path.exists(), (
        f"no snapshot {path.name}: set YESRANK_UPDATE_SNAPSHOTS=1 once, and read what it writes"
    )
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_answers(name: str) -> None:
    path, body = CASES[name]
    dialect = recognise(path, body)
    request = dialect.parse(body)
    assert request.dialect == dialect.name
    parsed = {key: value for key, value in asdict(request).items() if key != "options"}
    response = dialect.render(request, made(request))
    compare(name, {"path": path, "body": body, "parsed": parsed, "response": response})


@pytest.mark.parametrize("name", ERRORS)
def test_refusals(name: str) -> None:
    path, body = ERRORS[name]
    dialect = recognise(path, body)
    with pytest.raises(InputError) as caught:
        dialect.parse(body).plain()
    error = caught.value
    fault = Fault(status_of(error), error.message, error.field, error.hint, "rerank-7", kind=kind_of(error))
    status, answer = dialect.error(fault)
    assert "secret" not in json.dumps(answer)
    compare(f"refused-{name}", {"path": path, "dialect": dialect.name, "status": status, "response": answer})


def test_no_snapshot_is_left_over() -> None:
    known = {*CASES, *(f"refused-{name}" for name in ERRORS)}
    assert {path.stem for path in FOLDER.glob("*.json")} == known
