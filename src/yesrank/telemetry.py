"""Usage reports of other libraries: off before those are imported. The one table of them.

The package's own __init__ calls off() before it imports anything else, so that whatever of yesrank is imported, the
libraries below come later. docs/privacy.md says what each of them sends, and how to allow it.
"""

import os
import sys

TYPE_CHECKING = False  # see __init__: what is imported here is imported before Ctrl-C is quiet
if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from types import ModuleType

# A variable that is set already, to whatever value, is its owner's decision.
VARIABLES = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime 1.29 and later; it looks once, when it is imported
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, hf_xet, transformers, datasets, sentence-transformers, mteb
    "HAYSTACK_TELEMETRY_ENABLED": "False",  # haystack, which yesrank.integrations.haystack imports
    "RAY_USAGE_STATS_ENABLED": "0",  # ray, at the start of a cluster
    "VLLM_NO_USAGE_STATS": "1",  # vllm, when a model is loaded
}
# openvino's sender knows no variable of its own, and looks for those of build servers, which others heed too. Where
# the module cannot be imported, openvino and NNCF use stand-ins of their own that do nothing.
_SENDER = "openvino_telemetry"
# Imported after yesrank only: tests/unit/test_telemetry.py.
LIBRARIES = (
    "openvino",
    "openvino_genai",
    "openvino_tokenizers",
    "nncf",
    "optimum",
    "onnxruntime",
    "huggingface_hub",
    "transformers",
    "datasets",
    "sentence_transformers",
    "mteb",
    "haystack",
    "ray",
    "vllm",
)


def off(
    environ: "MutableMapping[str, str]" = os.environ,
    modules: "MutableMapping[str, ModuleType | None]" = sys.modules,  # type: ignore[assignment]
) -> None:
    """Switches the reports off in this process and those it starts, unless they were asked for. Writes no file."""
    for name, value in VARIABLES.items():
        environ.setdefault(name, value)
    if not _openvino_is_allowed():
        modules.setdefault(_SENDER, None)  # Python's own way to say that a module is not to be imported


def _openvino_is_allowed() -> bool:
    """Whether the user has told openvino to send: `opt_in_out --opt_in` leaves a file with a 1 in the home."""
    try:
        if sys.platform == "win32":
            folder = f"{os.environ['LOCALAPPDATA']}\\Intel Corporation"
        else:
            folder = f"{os.path.expanduser('~')}/intel"  # noqa: PTH111  pathlib takes longer than all else here
        with open(f"{folder}/{_SENDER}", encoding="utf-8") as file:  # noqa: PTH123
            return file.readline().strip() == "1"
    except (KeyError, OSError, UnicodeDecodeError):
        return False
