"""How the small built-in model was made: data, tokenizer, initial weights, training, export, figures."""
