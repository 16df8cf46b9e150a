"""The bytes of one file -> sections: what it is, by its name, else by its content; one file a kind."""

from yesrank.search.read.kinds import kind_by_name, read_file

__all__ = ["kind_by_name", "read_file"]
