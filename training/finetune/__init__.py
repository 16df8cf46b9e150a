"""Fine-tuning of the built-in model or a Qwen3-Reranker: ``python -m training.finetune --help``.

JSONL ─ pairs ─► Line ─ examples ─► Example ─ mining ─► Example with negatives ─ groups ─► Prompts ─ ranker ─► logits
                                                                     loop ─► weights ─ export ─► folder

pairs, examples, mining and groups work without PyTorch.
"""
