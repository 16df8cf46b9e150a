"""Rank documents by the probability that Qwen3-Reranker answers yes."""
