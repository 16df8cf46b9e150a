"""The ways in which a folder can be run on a device: OpenVINO's precisions and the ONNX variants that are there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from yesrank.engine import onnx, openvino
from yesrank.errors import DeviceMissing, InputError, MissingExtra, ModelError
from yesrank.models.folder import ModelFolder
from yesrank.store import Entry

_FLOAT_WEIGHTS = ("bf16", "f16")
_EXACTNESS = (
    "openvino/f32 of float weights",
    "onnx/fp32",
    "openvino/f32",
    "onnx/fp16",
    "openvino/bf16",
    "openvino/int8",
    "onnx/int8",
    "onnx/q8",
)
"""The nearest to float32 first. The others are compared with the first of these that ran, else with any."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One way to run a folder. kind: a precision of OpenVINO, or a variant of ONNX files.

    float_weights: whether the folder is known to hold them as they were, so that f32 means the model itself.
    """

    engine: str
    kind: str
    float_weights: bool = False

    @property
    def name(self) -> str:
        """Such as openvino/int8 or onnx/q8."""
        return f"{self.engine}/{self.kind}"

    @property
    def inexactness(self) -> int:
        """Lower is nearer to the model's own weights in float32."""
        told = f"{self.name} of float weights" if self.float_weights and self.kind == "f32" else self.name
        return _EXACTNESS.index(told) if told in _EXACTNESS else len(_EXACTNESS)

    def of(self, entry: Entry) -> Entry:
        """The entry, run so."""
        is_onnx = self.engine == "onnx"
        return entry.overridden(
            engine=self.engine,
            variant=self.kind if is_onnx else None,
            precision="auto" if is_onnx else self.kind,
        )

    def stored_in(self, entry: Entry) -> Entry:
        """The same, as it is stored: OpenVINO is not named, for it goes first by itself where a folder holds both."""
        chosen = self.of(entry)
        return replace(chosen, engine="onnx" if self.engine == "onnx" else None, tuned=date.today())


def profiles_of(folder: ModelFolder, device: str = "CPU") -> tuple[Profile, ...]:
    """All profiles that folder and device allow. Whether one really runs is seen by running it.

    Raises ModelError for a checkpoint, DeviceMissing where no engine of the folder knows the device, MissingExtra where
    the only engine of the folder is not installed.
    """
    if folder.kind == "checkpoint":
        raise ModelError(
            f"{folder.path} is a checkpoint that has not been converted",
            f"convert it: yesrank convert {folder.path} FOLDER",
        )
    found: list[Profile] = []
    problems: list[DeviceMissing | MissingExtra] = []
    for ways in (_openvino, _onnx):
        try:
            found += ways(folder, device)
        except (DeviceMissing, MissingExtra) as error:
            problems.append(error)
    if not found:
        raise problems[0]
    return tuple(found)


def choose(profiles: Sequence[Profile], names: Sequence[str]) -> tuple[Profile, ...]:
    """Those with the names, all where there are none. Raises InputError for a name that no profile has."""
    known = {profile.name: profile for profile in profiles}
    for name in names:
        if name not in known:
            raise InputError(
                "profile", f"{name!r} is not one that this folder has", f"use: {', '.join(known)}"
            )
    return tuple(known[name] for name in dict.fromkeys(names)) or tuple(profiles)


def _openvino(folder: ModelFolder, device: str) -> list[Profile]:
    if folder.kind != "openvino":
        return []
    is_float = folder.manifest is not None and folder.manifest.weights in _FLOAT_WEIGHTS
    return [Profile("openvino", kind, is_float) for kind in openvino.precisions(folder.path, device=device)]


def _onnx(folder: ModelFolder, device: str) -> list[Profile]:
    if not folder.variants:
        return []
    onnx.check_device(device)
    return [Profile("onnx", variant) for variant in folder.variants]
