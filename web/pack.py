"""Packs files one behind the other with xz, so that what they have in common is stored once. For vite.config.ts.

python3 pack.py FILE... > PACK
"""

import lzma
import sys
from pathlib import Path

DICTIONARY = 1 << 25  # more than all files together, or the second could not refer to the first
FILTERS = [
    {
        "id": lzma.FILTER_LZMA2,
        "preset": 9 | lzma.PRESET_EXTREME,
        "dict_size": DICTIONARY,
        "pb": 0,  # WebAssembly is aligned to nothing
    }
]

content = b"".join(Path(name).read_bytes() for name in sys.argv[1:])
sys.stdout.buffer.write(lzma.compress(content, filters=FILTERS))
