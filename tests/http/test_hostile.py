"""A few hundred random requests that mean no good: good ones among them are answered, and nothing is left behind."""

from hostile import CANARY, KNOWN, attack, scores
from serving import serving, wait_for


def test_hostile_requests_do_no_harm() -> None:
    with serving() as server:
        server.wait_ready()
        wanted = [scores(server.rerank(body).content) for body in KNOWN]
        outcome = attack(int(server.url.rsplit(":", 1)[1]), wanted, seed=7, threads=8, each=25)
        assert outcome.wrong == []
        assert outcome.known > 50
        server.client.close()
        state = server.app.state.server.server_state
        wait_for(lambda: not state.connections and not state.tasks, 20)
        assert server.app.state.service.active == 0
        assert CANARY not in server.log
        assert '"event": "crash"' not in server.log
