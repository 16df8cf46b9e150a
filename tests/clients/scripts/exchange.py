"""How a script and its test talk: a case, and the client's answers by the name of a check.

run_cases.py runs a script once for each case, so that what it imports is imported once.
"""

from importlib.metadata import version

given, told = {}, []


def begin(case):
    """The next script run is asked for this case."""
    given.clear()
    given.update(case)
    told.clear()


class Case:
    """What to ask for. url: with the path of this client; unknown: a model that the server does not have."""

    def __init__(self):
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
        return words(error)
    return f"no error but {answer!r}"


def words(error):
    """An error as a user sees it, with what caused it."""
    found = f"{type(error).__name__}: {error}"
    cause = error.__cause__ or error.__context__
    return f"{found}; {words(cause)}" if cause is not None else found


def tell(package, **answers):
    """Ends the script's work. answers: the name of a check -> what asks the client for it, called if it is wanted."""
    wanted = given["checks"] or answers
    told.append(
        {
            "version": version(package),
            "answers": {name: answers[name]() for name in wanted if name in answers},
        }
    )
