"""Is this an IR at all? Checks before OpenVINO is asked, so that a stub is refused with its reason."""

import re
from pathlib import Path

from yesrank.errors import ModelError, ModelNotFound
from yesrank.filekinds import in_place_of

XML, BIN = "openvino_model.xml", "openvino_model.bin"
_CONSTANT = re.compile(rb'offset="(\d+)"[^>]*?size="(\d+)"|size="(\d+)"[^>]*?offset="(\d+)"')
_AGAIN = "convert or download the model again"


def check_ir(folder: Path) -> tuple[Path, Path]:
    """The .xml and .bin of a folder. Raises ModelNotFound or ModelError where they are missing or cut short."""
    xml, data = folder / XML, folder / BIN
    for path in (xml, data):
        if not path.is_file():
            raise ModelNotFound(
                f"{folder} has no {path.name}", "convert a checkpoint with: yesrank convert SRC DST"
            )
        if path.stat().st_size == 0:
            raise ModelError(f"{path} is empty (0 bytes): the export that wrote it did not finish", _AGAIN)
        if other := in_place_of(path):
            raise ModelError(f"{path} is {other[0]}", other[1])
    text = xml.read_bytes()
    if not text.rstrip().endswith(b"</net>"):
        raise ModelError(f"{xml} is cut short: it does not end in </net>", _AGAIN)
    needed, found = _bin_bytes(text), data.stat().st_size
    if found < needed:
        raise ModelError(f"{data} is cut short: it has {found} bytes, {xml.name} refers to {needed}", _AGAIN)
    return xml, data


def _bin_bytes(xml: bytes) -> int:
    """How long the .bin must be: the end of the constant that lies last in it."""
    ends = ((int(a or d) + int(b or c)) for a, b, c, d in _CONSTANT.findall(xml))
    return max(ends, default=0)
