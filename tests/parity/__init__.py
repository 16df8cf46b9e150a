"""Comparisons with PyTorch, transformers, optimum-intel, OpenVINO GenAI and sentence-transformers (extra `parity`)."""
