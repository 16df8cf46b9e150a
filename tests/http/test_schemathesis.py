"""Requests made up from /openapi.json, right and wrong ones: none may be answered with 5xx.

Examples are few and always the same, so that the test is short and a failure can be looked at again.
"""

import pytest
from serving import Server, SlowScorer, serving

pytest.importorskip("schemathesis", reason="pip install 'yesrank[dev]' has it", exc_type=ImportError)

import hypothesis
import schemathesis

PLAIN = {"/health", "/ready", "/metrics", "/info", "/v1/models", "/v1/models/{name}"}
WHOLE, OTHERS = 60, 8  # paths that lead to the same function need not all be tried as hard
MAIN = {"/rerank", "/score"}


@pytest.fixture(scope="module")
def fuzzed() -> object:
    with serving(scorer=SlowScorer()) as found:
        found.wait_ready()
        yield found


def operations() -> list[tuple[str, str]]:
    from yesrank.serve.app import create_app
    from yesrank.store import builtin_entry

    paths = create_app(entries=[builtin_entry()]).openapi()["paths"]
    return [(path, verb) for path, verbs in paths.items() for verb in verbs]


@pytest.mark.parametrize(("path", "verb"), operations())
def test_no_request_breaks_the_server(fuzzed: Server, path: str, verb: str) -> None:
    schema = schemathesis.openapi.from_url(f"{fuzzed.url}/openapi.json")
    operation = schema[path][verb.upper()]
    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]

    for mode in modes if verb == "post" and "{" not in path else modes[:1]:

        @hypothesis.settings(
            max_examples=WHOLE if path in MAIN else OTHERS,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def check(case: schemathesis.Case) -> None:
            answer = case.call(base_url=fuzzed.url, timeout=20)
            assert answer.status_code < 500, (answer.status_code, answer.text)
            if "json" in answer.headers.get("content-type", ""):
                answer.json()
            if answer.status_code >= 400 and path not in PLAIN:
                assert answer.json()["message"]

        check()


def test_the_server_is_well_after_all_that(fuzzed: Server) -> None:
    assert fuzzed.rerank({"query": "q", "documents": ["a"]}).status_code == 200
    assert '"event": "crash"' not in fuzzed.log
