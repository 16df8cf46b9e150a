"""How much memory an engine keeps besides its weights. Stated once: the engines keep to it, the server counts it."""

PREFIX_BYTES = 128 << 20
"""Keys and values of prefixes that nobody asked to keep."""

FREE_BLOCKS, FREE_BYTES = 192, 256 << 20
"""Blocks of the KV cache that stay in memory between calls without holding a prefix, and how much they may be."""

KERNELS, STATEFUL_KERNELS, PRIMITIVES = 512, 32, 256
"""Compiled kernels of each kind that OpenVINO remembers for a model, and oneDNN below it for the whole process.

Their own bounds are 5,000 and 1,024: above a gigabyte for a model, and 0.15 GB that no unloading gives back. The paged
engine needs some 500 for all numbers of tokens that its calls are filled up to. The stateful engine's calls
have so many shapes that it is as fast with few.
"""

KERNEL_BYTES = 100 << 20
"""What these kernels were seen to take, with a margin."""
