"""Names that a server answers to, and the shape of its answer where a body does not say which service is meant."""

from pathlib import Path

import pytest
from serving import DOCUMENTS, QUERY, Server, SlowScorer, serving

from yesrank.errors import InputError
from yesrank.models.folder import builtin_folder
from yesrank.serve.models.entries import entries
from yesrank.serve.settings import Settings
from yesrank.store import Entry, Store

PLAIN = {"query": QUERY, "documents": DOCUMENTS}
KEY = "a-key-of-tests"


def test_the_built_in_model_has_other_names_where_the_settings_say_so(no_store: Path) -> None:
    (entry,) = entries(Settings(aliases=("cohere.rerank-v3-5:0", "nv-rerank-qa@1=builtin", "builtin")))
    assert entry.names == ("builtin", "cohere.rerank-v3-5:0", "nv-rerank-qa@1")
    with serving(entries=[entry]) as server:
        (listed,) = server.client.get("/v1/models").json()["data"]
        assert listed["aliases"] == ["cohere.rerank-v3-5:0", "nv-rerank-qa@1"]
        server.wait_ready()
        assert server.rerank({**PLAIN, "model": "cohere.rerank-v3-5:0"}).json()["model"] == "builtin"


def test_an_alias_of_another_model_than_the_default(no_store: Path) -> None:
    Store().add(Entry("first", builtin_folder()))
    Store().add(Entry("second", builtin_folder(), aliases=("two",)))
    found = {each.name: each.aliases for each in entries(Settings(aliases=("x=two", "y")))}
    assert found == {"first": ("y",), "second": ("two", "x")}
    with pytest.raises(InputError, match="'third' is not served"):
        entries(Settings(aliases=("x=third",)))
    with pytest.raises(InputError, match="given twice"):
        entries(Settings(aliases=("two",)))
    with pytest.raises(InputError, match="cannot be a name"):
        Settings(aliases=("two words=first",))


def keys_of(server: Server, **fields: str) -> set[str]:
    answer = server.rerank({**PLAIN, **fields}).json()
    return {"a list"} if isinstance(answer, list) else set(answer)


def test_the_models_shape_goes_before_the_servers() -> None:
    models = [
        Entry("plain", builtin_folder()),
        Entry("arc", builtin_folder(), shape="openarc", aliases=("a:1",)),
        Entry("lang", builtin_folder(), shape="sglang"),
    ]
    with serving(Settings(shape="voyage"), models, SlowScorer()) as server:
        server.wait_ready()
        assert keys_of(server) == {"object", "data", "model", "usage"}
        assert keys_of(server, model="plain") == keys_of(server, model="") == keys_of(server)
        assert keys_of(server, model="lang") == {"a list"}
        row = server.rerank({**PLAIN, "model": "a:1"}).json()["data"][0]
        assert set(row["ranked_documents"]) == {"doc", "score"}
        # a body or path that says which service is meant goes before both
        assert "results" in keys_of(server, model="arc", dialect="cohere")
        assert "results" in server.rerank({**PLAIN, "model": "arc"}, "/cohere/v1/rerank").json()
        assert server.rerank({**PLAIN, "model": "arc"}, "/v2/rerank").json()["meta"]
        assert "error" in server.rerank({**PLAIN, "model": "other"}).json()


@pytest.mark.parametrize("make", [lambda: Settings(shape="tei"), lambda: Entry("a", Path("/a"), shape="tei")])
def test_a_shape_that_is_no_answer_to_a_plain_body_is_refused(make: object) -> None:
    with pytest.raises(InputError, match="shape"):
        make()  # type: ignore[operator]


def test_what_other_services_clients_ask_before_they_rank() -> None:
    with serving(Settings(api_keys=(KEY,)), scorer=SlowScorer()) as server:
        server.client.headers["Authorization"] = f"Bearer {KEY}"
        server.wait_ready()
        model = server.client.get("/v1/models/builtin").json()
        assert (model["model_type"], model["model_ability"]) == ("rerank", ["rerank"])
        assert server.client.get("/meta").json()["model_id"] == "builtin"
        del server.client.headers["Authorization"]
        assert server.client.get("/v1/cluster/auth").json() == {"auth": True}
        assert server.client.get("/.well-known/ready").status_code == 200
        assert server.client.get("/.well-known/live").status_code == 200
        assert server.client.get("/meta").status_code == 401


def test_the_path_names_the_model() -> None:
    models = [Entry("first", builtin_folder()), Entry("owner/second", builtin_folder(), aliases=("id:0",))]
    with serving(entries=models, scorer=SlowScorer()) as server:
        server.wait_ready()
        infer = {"queries": [QUERY] * 3, "documents": DOCUMENTS}
        answer = server.rerank(infer, "/v1/inference/owner/second")
        assert len(answer.json()["scores"]) == 3
        assert server.rerank(infer, "/v1/inference/owner/third").status_code == 404
        assert server.rerank(PLAIN, "/model/id:0/invoke").json()["model"] == "owner/second"
        assert server.rerank(PLAIN, "/inference/v1/rerank").json()["model"] == "first"
        tei = server.rerank({"query": QUERY, "texts": DOCUMENTS}, "/invocations").json()
        assert {*tei[0]} == {"index", "score"}
