"""How an embedding model is asked: what stands before a text and after it, and what sentence-transformers does with it.

Qwen3-Embedding reads `Instruct: {task}\nQuery:{query}` for a query and a document as it is, `<|endoftext|>` after
either, and its vector is the state of that token. The prompts lie in config_sentence_transformers.json, the end token
in what the tokenizer appends. A model that was trained further may have others: those of its folder count. What yesrank
does not follow is an error.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yesrank.errors import CheckpointError, InputError, UnsupportedModel
from yesrank.filekinds import read_json
from yesrank.kinds import END, INSTRUCT, appended
from yesrank.prompt import DEFAULT_INSTRUCTION, Frame

QUERY, DOCUMENT = "query", "document"
PROMPTS = {QUERY: f"Instruct: {DEFAULT_INSTRUCTION}\nQuery:", DOCUMENT: ""}
"""Those of the model card."""
FILES = ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json")
"""Names of the files that say it, besides tokenizer.json and those in the folders of modules."""
POOLING_FOLDER = "*_Pooling"

_DOCUMENT_NAMES = (DOCUMENT, "passage", "corpus")  # as sentence-transformers looks for them
_CONTROL_TOKEN = re.compile(r"<\|[^<>|\s]+\|>")
# after a letter and before one of these a tokenizer's pattern begins a new piece, whatever follows
_CUT = re.compile(r"(?<=[^\W\d_])(?=[ ,.;:?!\n，。：])")
_KNOWN = ("Transformer", "Pooling", "Normalize")
_AGAIN = "download it again"


@dataclass(frozen=True, slots=True)
class Recipe:
    """prompts: what stands before a text, by name. default: the name of the one where none is asked for, or None.

    before, after: control text that the tokenizer puts around prompt and text. max_length: what the folder cuts texts
    to, in tokens, None where it says nothing. origin: where this is from, for a person to read, or "".
    """

    prompts: Mapping[str, str] = field(default_factory=lambda: dict(PROMPTS))
    default: str | None = None
    before: str = ""
    after: str = END
    max_length: int | None = None
    origin: str = ""

    @property
    def instruction(self) -> str | None:
        """The task in the prompt for queries; None where that has no place for one."""
        found = INSTRUCT.fullmatch(self.prompts.get(QUERY, ""))
        return None if found is None else found["instruction"]

    def prompt(self, name: str | None) -> str:
        """The prompt of that name; None for the default one. Raises InputError for a name that is not known.

        `query` and `document` are always known: a model without them takes texts as they are.
        """
        wanted = self.default if name is None else name
        if wanted is None:
            return ""
        for each in _DOCUMENT_NAMES if wanted == DOCUMENT else (wanted,):
            if each in self.prompts:
                return self.prompts[each]
        if wanted in (QUERY, DOCUMENT):
            return ""
        raise InputError(
            "prompt_name", f"{wanted!r} is not known", f"use one of: {', '.join(sorted(self.prompts))}"
        )

    def query_prompt(self, instruction: str | None) -> str:
        """The prompt for a query with this task, None for the model's own. Raises InputError where it has no place."""
        own = self.prompt(QUERY)
        if instruction is None:
            return own
        found = INSTRUCT.fullmatch(own)
        if found is None:
            raise InputError(
                "instruction",
                f"this model's prompt for queries has no place for one: {own!r}",
                "leave it out, or give the whole prompt: encode(texts, prompt=...)",
            )
        return f"Instruct: {instruction}\nQuery:{found['space']}"

    def frame(self, prompt: str, *, trusted: bool = True) -> Frame:
        """The text around a text. trusted: control tokens in the prompt are such, as in those of the model's folder.

        The prompt is cut where a tokenizer begins a new piece anyway: what is before is the same for every text.
        """
        control = 0
        if trusted:
            control = max((found.end() for found in _CONTROL_TOKEN.finditer(prompt)), default=0)
        cut = max((found.start() for found in _CUT.finditer(prompt, control)), default=control)
        return Frame(self.before + prompt[:control], prompt[control:cut], self.after, prompt[cut:])


def recipe_of(folder: Path) -> Recipe:
    """What the folder says; the model card's way where it says nothing.

    Raises UnsupportedModel for what cannot be followed, CheckpointError for files that cannot be read.
    """
    modules = _check_modules(folder)
    settings = _json(folder / "config_sentence_transformers.json")
    prompts = settings.get("prompts") or {}
    if not isinstance(prompts, dict):
        raise CheckpointError(f"{folder}: the prompts of sentence-transformers are no JSON object", _AGAIN)
    before, after = appended(folder)
    said = bool(prompts)
    own = {str(name): str(text) for name, text in prompts.items()} if said else dict(PROMPTS)
    default = settings.get("default_prompt_name")
    notes = ["prompts are those that sentence-transformers saved with it"] if said and own != PROMPTS else []
    if not said and modules:
        own = {}
        notes.append("it has no prompts: queries and documents are read as they are")
    if not after:
        does = "nothing is" if modules else f"{END} is"
        as_in = "sentence-transformers" if modules else "the model card"
        notes.append(f"its tokenizer appends nothing: {does} put after a text, as in {as_in}")
    return Recipe(
        prompts=own,
        default=default if isinstance(default, str) else None,
        before="".join(before),
        after="".join(after) or ("" if modules else END),
        max_length=_max_length(folder),
        origin="; ".join(notes),
    )


def _check_modules(folder: Path) -> bool:
    """Whether there are modules of sentence-transformers. Raises UnsupportedModel for others than it follows."""
    path = folder / "modules.json"
    listed = read_json(path)
    if listed is None:
        return False
    try:
        modules = [(str(each["type"]).rpartition(".")[2], str(each["path"])) for each in listed]
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is no list of modules: {error}", _AGAIN) from error
    if other := [kind for kind, _ in modules if kind not in _KNOWN]:
        raise UnsupportedModel(
            f"{path} runs {', '.join(other)} after the decoder, which yesrank does not follow",
            f"it follows what Qwen3-Embedding has: {', '.join(_KNOWN)}",
        )
    for kind, place in modules:
        if kind == "Pooling":
            _check_pooling(folder / place / "config.json")
    if _json(folder / "sentence_bert_config.json").get("do_lower_case"):
        raise UnsupportedModel(f"{folder} lowers the case of its texts, which no Qwen3-Embedding does")
    return True


def _check_pooling(path: Path) -> None:
    found = _json(path)
    modes = found.get("pooling_mode")
    if modes is None:
        old = [name for name, value in found.items() if name.startswith("pooling_mode_") and value is True]
        modes = [name.removeprefix("pooling_mode_") for name in old] or ["lasttoken"]
    modes = [modes] if isinstance(modes, str) else list(modes)
    if modes != ["lasttoken"]:
        raise UnsupportedModel(
            f"{path} pools by {', '.join(map(str, modes))}; yesrank takes the state of the last token",
            "use what it was made for: sentence-transformers",
        )


def _max_length(folder: Path) -> int | None:
    """The least of what sentence-transformers and the tokenizer cut texts to."""
    said = (
        _json(folder / "sentence_bert_config.json").get("max_seq_length"),
        _json(folder / "tokenizer_config.json").get("model_max_length"),
    )
    numbers = [int(each) for each in said if isinstance(each, int | float) and not isinstance(each, bool)]
    return min((number for number in numbers if number > 0), default=None)


def _json(path: Path) -> dict[str, Any]:
    found = read_json(path)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} is not a JSON object", _AGAIN)
    return found
