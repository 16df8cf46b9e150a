"""One reader of documents for everything that takes them: bytes with a name, or a user's arguments -> passages.

arguments ─ read ─► sources (files, folders, standard input, texts) ─ read_source ─► Part ─► Reading

What is read is said (`Reading.what`), and nothing is taken for something else: a path that is not there, a PDF, a table
whose column of texts is not known are errors, each with the next step.
"""

from yesrank.documents.arguments import names_file, read
from yesrank.documents.passages import FORMATS, SPLITS, Options, Part, Passage, Reading
from yesrank.documents.source import read_source

__all__ = ["FORMATS", "SPLITS", "Options", "Part", "Passage", "Reading", "names_file", "read", "read_source"]
