"""The tokenizer as OpenVINO IR, for OpenVINO GenAI and others; yesrank itself reads tokenizer.json."""

from importlib.util import find_spec
from pathlib import Path

from yesrank.errors import ConversionError, MissingExtra

FILES = tuple(f"openvino_{name}.{end}" for name in ("tokenizer", "detokenizer") for end in ("xml", "bin"))


def require_packages() -> None:
    """Raises MissingExtra where openvino-tokenizers, or transformers, which it reads tokenizers with, is absent."""
    for module, package in (("openvino_tokenizers", "openvino-tokenizers"), ("transformers", "transformers")):
        if find_spec(module) is None:
            raise MissingExtra(package, "tokenizer-ir")


def write_tokenizer_ir(folder: Path) -> None:
    """Writes FILES from folder/tokenizer.json and tokenizer_config.json. PyTorch is not needed.

    Raises MissingExtra, or ConversionError where the tokenizer is of a kind that openvino-tokenizers lacks.
    """
    require_packages()
    import openvino as ov
    from openvino_tokenizers import convert_tokenizer
    from transformers import AutoTokenizer  # type: ignore[import-not-found,unused-ignore]

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        models = convert_tokenizer(tokenizer, with_detokenizer=True)
    except Exception as error:  # both libraries raise many kinds
        raise ConversionError(
            f"openvino-tokenizers cannot convert this tokenizer: {error}", "convert without the tokenizer IR"
        ) from error
    for name, model in zip(("openvino_tokenizer", "openvino_detokenizer"), models, strict=True):
        ov.save_model(model, folder / f"{name}.xml", compress_to_fp16=False)
