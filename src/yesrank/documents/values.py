"""JSON and JSONL -> passages."""

import json
import re
from collections.abc import Iterator

from yesrank.documents.bounds import check_values, within
from yesrank.documents.fields import TEXTS, id_of, titled, usual
from yesrank.documents.passages import Options, Part, Passage, bad
from yesrank.documents.texts import lines

_EXAMPLE = 'write a JSON string, or an object such as {"text": "..."}'
_AS_TEXT = "correct it; or, where it is plain text: --format text"
_MANY = 8
_SPACE = re.compile(r"\s*")


def read_json(text: str, name: str, options: Options, *, a_line: bool) -> Part:
    """An array of documents, an object with an array under "documents", or one value a line.

    a_line: which of the two a broken text was meant to be. Raises InputError with the line.
    """
    check_values(text, name, options)
    found = _whole(text, name)
    what = "JSON" if found is not None else "JSONL"
    if found is None and not is_value(next((line for _, line in lines(text)), "")):
        found, what = _one_after_another(text, name, options), "JSON values"
        if found is None and not a_line:
            raise _broken(text, name)
    if found is None:
        found, what = [*within(_a_line(text, name), name, options)], "JSONL"
    used: dict[str, None] = {}
    passages = tuple(
        _passage(value, place, options.field, used) for place, value in within(found, name, options)
    )
    fields = f", field{'s' if len(used) > 1 else ''} {', '.join(used)}" if used else ", strings"
    empty = sum(not passage.text.strip() for passage in passages)
    notes = (f"{name}: {empty} of {len(passages)} documents are empty",) if empty else ()
    return Part(passages, what + fields, notes)


def is_value(line: str) -> bool:
    """Whether the line is one JSON value."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _whole(text: str, name: str) -> list[tuple[str, object]] | None:
    """The documents of a text that is a single JSON value; None for any other."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict) and isinstance(value.get("documents"), list):
        value = value["documents"]
    if isinstance(value, list):
        return [(f"{name}, entry {number}", each) for number, each in enumerate(value, start=1)]
    return None if "\n" not in text.strip() else [(f"{name}, entry 1", value)]


def _one_after_another(text: str, name: str, options: Options) -> list[tuple[str, object]] | None:
    """Values that go over several lines, as jq prints them; None where there is something else."""
    try:
        found = [*within(_values(text), name, options)]
    except (ValueError, RecursionError):
        return None
    return [(f"{name}, entry {number}", value) for number, value in enumerate(found, start=1)]


def _values(text: str) -> Iterator[object]:
    at = 0
    while at < len(text):
        value, end = json.JSONDecoder().raw_decode(text, _SPACE.match(text, at).end())  # type: ignore[union-attr]
        yield value
        at = _SPACE.match(text, end).end()  # type: ignore[union-attr]


def _broken(text: str, name: str) -> Exception:
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        return bad(f"{name} is not JSON: {error}", _AS_TEXT)
    raise AssertionError


def _a_line(text: str, name: str) -> Iterator[tuple[str, object]]:
    for number, line in lines(text):
        where = f"{name}, line {number}"
        try:
            yield f"{name}:{number}", json.loads(line)
        except (ValueError, RecursionError) as error:
            raise bad(
                f"{where} is not JSON: {_why(error)}", f"write one JSON value a line; {_AS_TEXT}"
            ) from None


def _why(error: Exception) -> str:
    """Without a line number that counts within the line."""
    return f"{error.msg} (column {error.colno})" if isinstance(error, json.JSONDecodeError) else str(error)


def _passage(value: object, place: str, field: str | None, used: dict[str, None]) -> Passage:
    if isinstance(value, str):
        return Passage(value, None, place)
    record = value if isinstance(value, dict) else {}
    named = [key for key in record if isinstance(record[key], str)]
    chosen = usual(named, TEXTS) if field is None else field if field in named else None
    if chosen is None:
        raise _no_text(record, _words(place), field, named)
    used.setdefault(chosen)
    return Passage(titled(record, chosen, record[chosen]), id_of(record), place)


def _no_text(record: dict[str, object], where: str, field: str | None, named: list[str]) -> Exception:
    if field is not None and record:
        return bad(f"{where} has no text in a field {field!r}", f"it has: {_listed([*record])}")
    others = [key for key in named if usual([key], ("id", "_id")) is None]
    if others:
        return bad(f"{where} has no text; it has {_listed(others)}", f"say which it is: --field {others[0]}")
    lists = [key for key in record if isinstance(record[key], list)]
    if lists:
        return bad(
            f"{where} has no text; it has a list under {lists[0]!r}",
            'give the list alone, or call it "documents"',
        )
    return bad(f"{where} has no text", _EXAMPLE)


def _words(place: str) -> str:
    name, colon, number = place.rpartition(":")
    return f"{name}, line {number}" if colon and number.isdecimal() else place


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_MANY]) + (", ..." if len(names) > _MANY else "")
