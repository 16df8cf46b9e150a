"""How the small built-in model was made: data, tokenizer, initial weights, training, export, figures."""

import yesrank  # noqa: F401  first: it switches off the usage reports of what the recipe imports
