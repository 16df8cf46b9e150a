"""Classes with the interfaces of other projects, one file a project. Nothing of ours imports them.

A file imports its project when it is imported itself, and raises MissingExtra where that is not installed.
"""
