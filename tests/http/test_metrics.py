"""What Prometheus reads, after requests whose numbers are known."""

import re

from serving import SlowScorer, serving, wait_for

NAMES = {
    "yesrank_requests_total",
    "yesrank_errors_total",
    "yesrank_documents_total",
    "yesrank_tokens_total",
    "yesrank_computed_tokens_total",
    "yesrank_repeated_documents_total",
    "yesrank_truncated_documents_total",
    "yesrank_prefix_cache_hit_tokens_total",
    "yesrank_scheduled_requests_total",
    "yesrank_turns_total",
    "yesrank_model_loads_total",
    "yesrank_request_seconds_count",
    "yesrank_queue_seconds_count",
    "yesrank_tokenize_seconds_count",
    "yesrank_inference_seconds_count",
    "yesrank_request_documents_count",
    "yesrank_batch_fill_count",
    "yesrank_queue_tokens",
    "yesrank_queue_requests",
    "yesrank_active_requests",
    "yesrank_tokens_per_second",
    "yesrank_ready",
    "yesrank_draining",
    "yesrank_model_state",
}


def test_everything_is_counted() -> None:
    with serving(scorer=SlowScorer()) as server:
        server.wait_ready()
        assert server.rerank({"query": "q", "documents": ["a", "b", "a"]}).status_code == 200
        assert server.rerank({"query": "q", "texts": ["a"]}, "/rerank").status_code == 200
        assert server.rerank({"query": "q"}).status_code == 400
        page = server.client.get("/metrics")
        assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
        lines = [line for line in page.text.splitlines() if not line.startswith("#")]
        assert {re.split(r"[{ ]", line)[0] for line in lines} >= NAMES
        route = 'dialect="cohere-v1",route="/v1/rerank"'
        assert server.metric(f'yesrank_requests_total{{{route},status="200"}}') == 1
        assert server.metric(f'yesrank_requests_total{{{route},status="400"}}') == 1
        assert server.metric('yesrank_requests_total{dialect="tei",route="/rerank",status="200"}') == 1
        assert server.metric('yesrank_errors_total{kind="InputError"}') == 1
        assert server.metric('yesrank_documents_total{model="builtin"}') == 4
        assert server.metric('yesrank_repeated_documents_total{model="builtin"}') == 1
        assert server.metric("yesrank_prefix_cache_hit_tokens_total") > 0
        assert server.metric('yesrank_model_state{model="builtin",state="ready"}') == 1
        assert server.metric("yesrank_ready") == 1
        assert server.metric("yesrank_model_loads_total") == 1


def test_labels_do_not_grow_with_what_clients_send() -> None:
    with serving(scorer=SlowScorer()) as server:
        server.wait_ready()
        for number in range(5):
            server.client.get(f"/nothing/{number}")
            server.client.request(f"METHOD{number}", "/v1/rerank")
            server.rerank({"query": "q", "documents": ["a"], "model": f"model-{number}"})
            server.rerank({"query": "q", "documents": ["a"], "dialect": f"dialect-{number}"})
        page = server.client.get("/metrics").text
        assert not re.findall(r"nothing|METHOD|model-\d|dialect-\d", page)
        assert 'route="unknown",status="404"' in page


def test_a_broken_engine_is_loaded_anew_and_counted() -> None:
    scorer = SlowScorer()
    with serving(scorer=scorer) as server:
        server.wait_ready()
        scorer.fail = RuntimeError("broken")
        assert server.rerank({"query": "q", "documents": ["a"]}).status_code == 500
        scorer.fail = None
        wait_for(lambda: server.rerank({"query": "q", "documents": ["a"]}).status_code == 200)
        assert server.metric("yesrank_model_reloads_total") >= 1
        assert server.metric('yesrank_turns_total{failed="true"') >= 1
