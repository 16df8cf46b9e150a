"""How much memory an engine keeps besides its weights. Stated once: the engines keep to it, the server counts it."""

PREFIX_BYTES = 128 << 20
"""Keys and values of prefixes that nobody asked to keep."""

FREE_BLOCKS, FREE_BYTES = 192, 256 << 20
"""Blocks of the KV cache that stay in memory between calls without holding a prefix, and how much they may be."""

KERNELS, PRIMITIVES = 32, 256
"""Compiled kernels of each kind that OpenVINO remembers for a model, and oneDNN below it for the whole process.

One is compiled for each new number of tokens in a call. Their own bounds are 5,000 and 1,024: above a gigabyte for a
model, and 0.15 GB that no unloading gives back. With these, requests of 120 to 250 tokens ran as fast.
"""

KERNEL_BYTES = 100 << 20
"""What these kernels were seen to take, with a margin: 47 to 63 MB for 250 to 400 lengths."""
