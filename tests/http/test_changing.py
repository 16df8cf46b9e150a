"""A few hundred questions and hostile requests while models come, go and change: none is answered wrongly."""

import psutil
from changing import Tally, attack
from changing_models import BROKEN, entries, make_models, questions
from hostile import CANARY
from run_changing import disturbed
from serving import serving, wait_for

from yesrank.serve.settings import Settings


def test_changing_models_answer_rightly_or_say_why_not(tmp_path) -> None:
    make_models(tmp_path)
    asked, tally = questions(tmp_path, 12, seed=3), Tally()
    with serving(Settings(idle_unload=2.0), entries(tmp_path)) as server:
        server.wait_ready()
        with disturbed(server.url, tmp_path, psutil.Process(), tally, seed=3, pauses=(0.05, 0.2)) as (
            mover,
            watcher,
        ):
            attack(int(server.url.rsplit(":", 1)[1]), asked, seed=3, threads=8, each=20, tally=tally)
        assert tally.wrong == []
        assert tally.known > 60
        assert mover.done.total() > 3
        assert watcher.seconds
        statuses = {what: {status for name, status in tally.kinds if name == what} for what, _ in tally.kinds}
        assert set.union(*(statuses.get(name, {503}) for name in BROKEN)) == {503}
        server.client.close()
        state = server.app.state.server.server_state
        wait_for(lambda: not state.connections and not state.tasks, 30)
        assert server.app.state.service.active == 0
        assert server.app.state.service.scheduler.snapshot().requests == 0
        assert CANARY not in server.log
        assert '"event": "crash"' not in server.log
