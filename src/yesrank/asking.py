"""What a folder says about how its model is to be asked, where it comes without our manifest.

sentence-transformers saves a reranker with a recipe: modules.json (what runs after what), LogitScore (the ids of the
two answers), prompts (one of which is the instruction), and a chat template that writes query and document. Such a
model was trained with its recipe, and scores as its owner saw it only with that. What of it can be followed is; the
rest is an error, as is an embedding model (see kinds), which answers nothing.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yesrank.checkpoint import Checkpoint
from yesrank.errors import CheckpointError, InputError, UnsupportedModel
from yesrank.filekinds import read_json
from yesrank.kinds import RERANKER, kind_of, refuse_other
from yesrank.prompt import DEFAULT_INSTRUCTION, TEMPLATES, Template, frame
from yesrank.qwen3 import is_classifier, read_config
from yesrank.sources.ggufmeta import RERANK_TEMPLATE
from yesrank.templates import own_template, template_of

FILES = (
    "modules.json",
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)
"""Names of the files that say it, besides those in the folders of modules."""
SCORE_FOLDER = "*_LogitScore"

_INSTRUCTION, _QUERY, _DOCUMENT = "\ue000instruction\ue001", "\ue000query\ue001", "\ue000document\ue001"
_ROLE = re.compile(r"""["'](query|document)["']""")
_NEXT = "where you know how it is asked, say so: yesrank add NAME --model-path ... --template card, or a file"


@dataclass(frozen=True, slots=True)
class Asking:
    """How a model is to be asked. instruction: the default one, None for the model card's; answers: ids of the positive
    and the negative answer, None for those of yes and no; origin: where that is from, for a person to read, or "".
    """

    template: Template = TEMPLATES["card"]
    instruction: str | None = None
    answers: tuple[int, int] | None = None
    origin: str = ""


def asking_of(folder: Path, template: str | Path | None = None, *, sure: bool = False) -> Asking:
    """What the folder says; the model card's way where it says nothing. template: one that the caller names goes first.

    sure: the caller knows that it is a reranker, whatever its files look like. Raises UnsupportedModel for an embedding
    model and for recipes that cannot be followed, CheckpointError for files that cannot be read.
    """
    if not sure:
        refuse_other(folder, RERANKER, kind_of(folder))
    modules = _modules(folder)
    ranks = folder / RERANK_TEMPLATE
    score = next((path for kind, path in modules if kind == "LogitScore"), None)
    answers = _labels(folder) if score is None else _answers(folder / score / "config.json")
    text = _chat_template(folder)
    writes_pairs = text is not None and set(_ROLE.findall(text)) == {"query", "document"}
    if template is not None:
        return Asking(template_of(template), None, answers, _origin(modules, template=False))
    if ranks.is_file():
        return _of_llama_cpp(ranks, answers)
    if not modules and not writes_pairs:
        return Asking(answers=answers)
    if text is None or not _takes_messages(folder):
        raise UnsupportedModel(
            f"{folder}: sentence-transformers asks this model without a template, query and document in one piece",
            _NEXT,
        )
    known, instruction = _recognised(folder, text)
    return Asking(known, instruction, answers, _origin(modules, template=True))


def notes_of(checkpoint: Checkpoint, asked: Asking) -> tuple[str, ...]:
    """What is not as one would expect, for a person to read."""
    return (*checkpoint.notes, *((asked.origin,) if asked.origin else ()))


def _modules(folder: Path) -> list[tuple[str, str]]:
    """(class name, folder) of each module of sentence-transformers, in their order; none without modules.json."""
    path = folder / "modules.json"
    listed = read_json(path)
    if listed is None:
        return []
    try:
        modules = [(str(each["type"]), str(each["path"])) for each in listed]
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is no list of modules: {error}", "download it again") from error
    kinds = [kind.rpartition(".")[2] for kind, _ in modules]
    own = [kind for kind, _ in modules if not kind.startswith("sentence_transformers.")]
    followed = ["Transformer"] if is_classifier(read_config(folder)) else ["Transformer", "LogitScore"]
    if own or kinds != followed:
        raise UnsupportedModel(
            f"{path} runs {', '.join(own or kinds)}, which yesrank does not follow",
            "it follows what CrossEncoder makes of a Qwen3ForCausalLM, Transformer and LogitScore, or of a classifier",
        )
    return [(kind, place) for kind, (_, place) in zip(kinds, modules, strict=True)]


_NAMES = (("yes", "no"), ("true", "false"), ("relevant", "irrelevant"), ("positive", "negative"))


def _labels(folder: Path) -> tuple[int, int] | None:
    """Of a classifier, the rows of yes and no in its head (see qwen3.LABELS); None of a language model.

    The second of two labels is the positive one, unless their names say otherwise.
    """
    config = read_config(folder)
    if not is_classifier(config):
        return None
    named = config.get("id2label")
    names = [str(name).lower() for _, name in sorted(named.items())] if isinstance(named, dict) else []
    if len(names) < 2 or names == ["label_0", "label_1"]:
        return 1, 0
    for yes, no in _NAMES:
        if sorted(names) == sorted((yes, no)):
            return names.index(yes), names.index(no)
    raise UnsupportedModel(
        f"config.json names the labels {', '.join(names)}: which of them means that a document answers the query?",
        'write it into config.json, such as "id2label": {"0": "no", "1": "yes"}',
    )


def _answers(path: Path) -> tuple[int, int]:
    """Ids of the positive and the negative answer."""
    found = _json(path)
    ids = (found.get("true_token_id"), found.get("false_token_id"))
    if isinstance(ids[0], int) and ids[1] is None:
        raise UnsupportedModel(
            f"{path} scores by the logit of one token; yesrank takes the difference of two",
            "save it with a false_token_id, if the model was trained with one",
        )
    if not all(isinstance(each, int) and not isinstance(each, bool) and each >= 0 for each in ids):
        raise CheckpointError(f"{path} names no two token ids", "download it again")
    return int(str(ids[0])), int(str(ids[1]))


def _chat_template(folder: Path) -> str | None:
    """The text of the folder's chat template: a file of its own goes before tokenizer_config.json."""
    path = folder / "chat_template.jinja"
    if path.is_file():
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CheckpointError(f"{path} cannot be read: {error}", "download it again") from error
    found = _json(folder / "tokenizer_config.json").get("chat_template")
    if isinstance(found, list):
        named = {each.get("name"): each.get("template") for each in found if isinstance(each, dict)}
        found = named.get("default")
    return found if isinstance(found, str) else None


def _takes_messages(folder: Path) -> bool:
    """Whether sentence-transformers gives the pair to the template, not to the tokenizer one after the other."""
    modalities = _json(folder / "sentence_bert_config.json").get("modality_config")
    return not isinstance(modalities, dict) or "message" in modalities


def _recognised(folder: Path, text: str) -> tuple[Template, str | None]:
    """(template, default instruction) of a chat template: a known one where it writes as that does, else its own."""
    settings = _json(folder / "sentence_bert_config.json")
    options = (settings.get("processing_kwargs") or {}).get("chat_template") or {}
    prompts = _json(folder / "config_sentence_transformers.json")
    prompt = (prompts.get("prompts") or {}).get(prompts.get("default_prompt_name"))
    special = {
        key: value
        for key, value in _json(folder / "tokenizer_config.json").items()
        if key.endswith("_token") and isinstance(value, str)
    }

    def written(instruction: str | None, *, structured: bool) -> str:
        return _render(folder, text, _messages(instruction, structured=structured), {**special, **options})

    asked = {form: written(prompt, structured=form) for form in (False, True)}
    for template in TEMPLATES.values():
        for each in asked.values():
            if (found := _pattern(template).fullmatch(each)) is not None:
                return template, found["instruction"]
    form = next(
        (form for form, each in asked.items() if each.count(_QUERY) == each.count(_DOCUMENT) == 1), None
    )
    if form is None:
        raise UnsupportedModel(
            f"{folder}: its chat template does not write query and document once each", _NEXT
        )
    return _own(folder, asked[form], written(_INSTRUCTION, structured=form))


def _of_llama_cpp(path: Path, answers: tuple[int, int] | None) -> Asking:
    """Of the template that a GGUF file brings for ranking, where it is one that is known."""
    text = path.read_bytes().decode("utf-8").replace("{query}", _QUERY).replace("{document}", _DOCUMENT)
    for template in TEMPLATES.values():
        if (found := _pattern(template).fullmatch(text)) is not None:
            return Asking(
                template, found["instruction"], answers, "template and instruction are the GGUF file's own"
            )
    raise UnsupportedModel(
        f"the GGUF file's rerank template is not one that Qwen3-Reranker was trained with: {text[-160:]!r}",
        _NEXT,
    )


def _own(folder: Path, asked: str, marked: str) -> tuple[Template, str]:
    """The template that a chat template amounts to. asked: what it writes; marked: with a mark for the instruction."""
    before, _, after = marked.partition(_INSTRUCTION)
    instruction = asked.removeprefix(before).removesuffix(after)
    shown = (
        marked.replace(_INSTRUCTION, "{instruction}")
        .replace(_QUERY, "{query}")
        .replace(_DOCUMENT, "{document}")
    )
    if before + instruction + after != asked or "{instruction}" not in shown:
        raise UnsupportedModel(
            f"{folder}: its chat template has no place for an instruction: {shown[-160:]!r}", _NEXT
        )
    try:
        return own_template(shown + "{answer}", "its chat template"), instruction or DEFAULT_INSTRUCTION
    except InputError as error:
        raise UnsupportedModel(
            f"{folder}: its chat template asks in a way that cannot be followed: {error.message}: {shown[-160:]!r}",
            _NEXT,
        ) from error


def _messages(prompt: str | None, *, structured: bool) -> list[dict[str, Any]]:
    parts = {"system": prompt, "query": _QUERY, "document": _DOCUMENT}
    return [
        {"role": role, "content": [{"type": "text", "text": text}] if structured else text}
        for role, text in parts.items()
        if text
    ]


def _pattern(template: Template) -> re.Pattern[str]:
    """What the template writes for any instruction."""
    around = frame(template, _INSTRUCTION, _QUERY)
    text = re.escape(around.prefix + around.head + around.piece(_DOCUMENT) + around.suffix)
    return re.compile(text.replace(re.escape(_INSTRUCTION), r"(?P<instruction>.*?)"), re.DOTALL)


def _render(folder: Path, text: str, messages: list[dict[str, Any]], values: dict[str, Any]) -> str:
    """What the chat template writes, as transformers has Jinja render it."""
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(reason: str) -> None:
        raise TemplateError(reason)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = refuse
    try:
        return environment.from_string(text).render(**{"messages": messages, **values})
    except Exception as error:  # a template is a program, and may fail as any
        raise UnsupportedModel(
            f"{folder}: its chat template cannot be rendered: {type(error).__name__}: {error}", _NEXT
        ) from error


def _origin(modules: list[tuple[str, str]], *, template: bool) -> str:
    scored = any(kind == "LogitScore" for kind, _ in modules)
    parts = ["answers (LogitScore)"] * scored + ["template and instruction (its chat template)"] * template
    return f"{' and '.join(parts)} are those that sentence-transformers saved with it" if parts else ""


def _json(path: Path) -> dict[str, Any]:
    found = read_json(path)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} is not a JSON object", "download it again")
    return found
