"""Which engine runs a folder, and the engine."""

from collections.abc import Mapping
from typing import Any

from yesrank.checkpoint import Checkpoint
from yesrank.engine.base import Engine
from yesrank.engine.openvino import is_installed
from yesrank.engine.openvino import open_engine as open_openvino
from yesrank.engine.reference import ReferenceEngine
from yesrank.errors import InputError, ModelError
from yesrank.models.embedding_folder import EmbeddingFolder
from yesrank.models.folder import Folder, holds_checkpoint
from yesrank.models.integrity import opened_checked, weights_files
from yesrank.models.rounding import open_rounded

ENGINES = ("openvino", "onnx", "vllm", "reference")


def engine_for(folder: Folder, variant: str | None = None) -> str:
    """The engine of what the folder holds; that of ONNX files where a variant of them is asked for.

    Of a folder that holds both, as the built-in model's does, onnx where openvino is not installed.
    Raises ModelError for a checkpoint.
    """
    if variant is not None or folder.kind == "onnx":
        return "onnx"
    if folder.kind == "openvino":
        return "onnx" if folder.variants and not is_installed() else "openvino"
    raise ModelError(
        f"{folder.path} is a checkpoint that has not been converted",
        f"convert it: yesrank convert {folder.path} FOLDER",
    )


def open_engine(
    folder: Folder,
    *,
    device: str = "CPU",
    precision: str = "auto",
    engine: str | None = None,
    variant: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Engine:
    """The engine for a folder; the options are as for Reranker. Raises InputError, ModelError or EngineError.

    options: of vLLM, by its own names.

    Its files are compared with the hashes that are known of them (see integrity): the first time as a whole.
    """
    chosen = engine or engine_for(folder, variant)
    if chosen not in ENGINES:
        raise InputError("engine", f"{chosen!r} is not known", f"use one of: {', '.join(ENGINES)}")
    if variant is not None and chosen != "onnx":
        raise InputError("variant", "only ONNX files have variants", "leave it out, or use the engine onnx")
    if options and chosen != "vllm":
        raise InputError(
            "engine_options", f"the engine {chosen} has none", "leave them out, or use the engine vllm"
        )
    names = weights_files(folder.path, chosen, variant)
    return opened_checked(
        folder.path,
        folder.manifest,
        names,
        lambda: _open(folder, chosen, device, precision, variant, options),
    )


def _open(
    folder: Folder,
    engine: str,
    device: str,
    precision: str,
    variant: str | None,
    options: Mapping[str, Any] | None,
) -> Engine:
    if engine == "reference":
        return ReferenceEngine(Checkpoint(folder.path, decoder_only=isinstance(folder, EmbeddingFolder)))
    if engine == "vllm":
        return _open_vllm(folder, precision, options)
    if engine == "onnx":
        return _open_onnx(folder, device, precision, variant)
    if folder.kind != "openvino":
        raise ModelError(
            f"{folder.path} holds no OpenVINO model, but a model of the kind {folder.kind}",
            "leave the engine out, or convert the checkpoint: yesrank convert CHECKPOINT FOLDER",
        )
    if precision == "w8a8":
        return open_rounded(
            folder, device, lambda arithmetic: open_openvino(folder.path, device=device, precision=arithmetic)
        )
    return open_openvino(folder.path, device=device, precision=precision)


def check_device(folder: Folder, device: str, engine: str | None, variant: str | None) -> None:
    """Raises DeviceMissing, which names those that are here, where the folder's engine has no such device.

    Loads nothing: that a device is there does not mean that it can run the model.
    """
    if device.upper() == "CPU":
        return
    if (engine or engine_for(folder, variant)) == "onnx":
        from yesrank.engine import onnx

        onnx.check_device(device)
    else:
        from yesrank.engine import openvino

        openvino.check_device(device)


def _open_vllm(folder: Folder, precision: str, options: Mapping[str, Any] | None) -> Engine:
    if not holds_checkpoint(folder.path):
        raise ModelError(
            f"{folder.path} holds no checkpoint, and vLLM runs those",
            "give the folder as it was published, or leave the engine out",
        )
    from yesrank.engine.vllm import VllmEngine

    return VllmEngine(
        folder.path, precision=precision, options=options, decoder_only=isinstance(folder, EmbeddingFolder)
    )


def _open_onnx(folder: Folder, device: str, precision: str, variant: str | None) -> Engine:
    if precision != "auto":
        raise InputError(
            "precision",
            f"the arithmetic of an ONNX file is its variant's, so {precision} cannot be had",
            "leave the precision out, and choose a variant",
        )
    from yesrank.engine.onnx import open_engine as open_onnx

    return open_onnx(folder.path, device=device, variant=variant)
