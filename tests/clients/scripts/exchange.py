"""How a script and its test talk: a case as JSON on stdin, the client's answers as JSON on stdout."""

import json
import sys
from importlib.metadata import version


class Case:
    """What to ask for. url: with the path of this client; unknown: a model that the server does not have."""

    def __init__(self):
        given = json.load(sys.stdin)
        self.url, self.key, self.model, self.unknown = (
            given[name] for name in ("url", "key", "model", "unknown")
        )
        self.query, self.documents = given["query"], given["documents"]
        self.instruction, self.top_n = given["instruction"], given["top_n"]

    def index(self, text):
        """The place of a document in the request."""
        return self.documents.index(text)


def refusal(call):
    """What the client says when the server refuses."""
    try:
        answer = call()
    except Exception as error:  # every client has errors of its own
        return f"{type(error).__name__}: {error}"
    return f"no error but {answer!r}"


def tell(package, **answers):
    """Ends the script's work: the answers by the name of a check, and the version of the package."""
    print("\n" + json.dumps({"version": version(package), "answers": answers}))
