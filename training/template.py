"""The prompt of Qwen3-Reranker and the instructions seen in training.

A prompt is four pieces, encoded separately: PREFIX (control tokens allowed), the head of the body up to
``<Document>:``, the document with a space before it, and SUFFIX (control tokens allowed).
"""

PREFIX = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and "
    'the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
CONTROL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")

DEFAULT_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"
OTHER_INSTRUCTIONS = (
    "Find the passage that answers the question",
    "Given a question, retrieve documents that answer it",
    "Retrieve the text that best matches the search",
    "Judge whether the document is about the query",
    "Given a scientific claim, retrieve abstracts that support or refute it",
    "Given a title, find the text that belongs to it",
    "Find documentation that explains how to do this",
    "Rank help pages by how well they solve the user's problem",
    "Select passages with facts about the topic",
    "Is this the page the user is looking for?",
    "Given a description of a command, find its manual page",
    "Given a word or a sentence, find the definition that fits",
    "Retrieve relevant paragraphs, whatever their language",
)


def body_head(instruction: str, query: str) -> str:
    """The part of the body that all documents of a query share."""
    return f"<Instruct>: {instruction}\n<Query>: {query}\n<Document>:"


def document_text(document: str) -> str:
    """The part of the body that belongs to one document."""
    return f" {document}"
