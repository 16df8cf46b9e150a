"""Devices by name: which are here, and what AUTO and its like mean on this machine."""

from collections.abc import Sequence

import openvino as ov

from yesrank.errors import DeviceMissing

_CHOOSES = "AUTO"  # takes the first of its devices that is here
_COMBINE = ("MULTI", "HETERO", "BATCH")  # need all of theirs
VIRTUAL = (_CHOOSES, *_COMBINE)
"""Names that stand for other devices."""
_NEXT = "use one of these, or install the device's driver; yesrank doctor shows what is found"


def check_device(device: str) -> None:
    """Raises DeviceMissing, which names the devices that are here."""
    real_device(ov.Core(), device)


def real_device(core: ov.Core, device: str) -> str:
    """What to compile for: `device` in capitals, AUTO less what is not here, and CPU where nothing else is left of it.

    OpenVINO itself fails for AUTO:GPU,CPU where the GPU's libraries are absent, and CPU by its own name has the faster
    engine. Raises DeviceMissing.
    """
    return on_machine(device, core.available_devices)


def on_machine(device: str, known: Sequence[str]) -> str:
    """As real_device, on a machine with the devices `known`."""
    device = device.upper()
    kind, _, listed = device.partition(":")
    if kind == _CHOOSES:
        return _chosen(device, listed, known)
    wanted = listed.split(",") if kind in _COMBINE else [device]
    for name in filter(None, wanted):
        if not _is_here(name.partition("(")[0], known):
            raise _missing(name, known)
    return device


def _chosen(device: str, listed: str, known: Sequence[str]) -> str:
    names = [name for name in listed.split(",") if name]
    excluded = {name[1:] for name in names if name.startswith("-")}
    wanted = [name for name in names if not name.startswith("-")]
    left = [name for name in wanted if _is_here(name, known)]
    if wanted and not left:
        raise _missing(device, known)
    if not wanted:
        left = [name for name in known if name not in excluded and name.partition(".")[0] not in excluded]
    if set(left) == {"CPU"}:
        return "CPU"
    return f"AUTO:{','.join(left)}" if wanted else device


def _is_here(name: str, known: Sequence[str]) -> bool:
    """GPU is there where GPU.0 is."""
    return name in known or any(each.partition(".")[0] == name for each in known)


def _missing(device: str, known: Sequence[str]) -> DeviceMissing:
    return DeviceMissing(device, f"device {device} is not here; OpenVINO sees: {', '.join(known)}", _NEXT)
