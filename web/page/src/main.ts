/** The page: what is written on the left is ranked, and shown on the right. */

import { button, element, html } from "./elements.ts";
import { save, toCsv, toJson } from "./exports.ts";
import { Local } from "./local.ts";
import type { Outcome, Progress, Request, Run } from "./outcome.ts";
import { Places, type Target } from "./places.ts";
import * as server from "./server.ts";
import { Showing } from "./showing.ts";
import { Writing } from "./writing.ts";

const showing = new Showing();
const writing = new Writing((error) => showing.fail(error));
const local = new Local();
const places = new Places(local, (error) => showing.fail(error));

let running: AbortController | null = null;
let outcome: Outcome | null = null;

async function rank(): Promise<void> {
  if (running) return;
  const stop = new AbortController();
  const progress = keepProgress();
  try {
    showing.clearProblem();
    const request = writing.request();
    running = stop;
    busy(true);
    const target = await places.target(stop.signal);
    showing.say(target.where === "server" ? "Ranking on the server…" : "Ranking in this browser…");
    const run = await perform(target, request, { signal: stop.signal, progress: progress.take });
    outcome = { ...request, where: target.where, ...run, finished: new Date().toISOString() };
    showing.results(outcome);
  } catch (error) {
    if (stop.signal.aborted) showing.say(`Cancelled${progress.told()}.`);
    else places.problem(error);
  } finally {
    running = null;
    busy(false);
  }
}

function perform(target: Target, request: Request, watch: Parameters<Local["rank"]>[2]): Promise<Run> {
  if (target.where === "browser") return local.rank(target.choice, request, watch);
  return server.rank(target.model, request, places.key, watch);
}

/** Shows progress, and remembers it for a work that is cancelled. */
function keepProgress(): { take(progress: Progress): void; told(): string } {
  let last: Progress | undefined;
  return {
    take: (progress) => {
      last = progress;
      showing.progress(progress);
    },
    told: () =>
      last?.stage === "score" && last.total ? ` after ${last.done} of ${last.total} documents` : "",
  };
}

function busy(now: boolean): void {
  button("rank").ariaDisabled = String(now); // not disabled: that would take the focus away
  button("cancel").hidden = !now;
  if (now) showing.begin();
  else showing.end();
}

/** The focus must not fall out of the page when the button that has it goes away. */
function cancel(): void {
  showing.say("Cancelling…"); // the document at hand is finished first, so that the model can stay
  running?.abort();
  button("rank").focus();
}

function isApple(): boolean {
  return /Mac|iP(hone|ad)/.test(navigator.platform);
}

element("form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  void rank();
});
button("cancel").addEventListener("click", cancel);
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    void rank();
  }
  if (event.key === "Escape" && running) cancel();
});
button("export-json").addEventListener("click", () => {
  if (outcome) save("ranking.json", "application/json", toJson(outcome));
});
button("export-csv").addEventListener("click", () => {
  if (outcome) save("ranking.csv", "text/csv;charset=utf-8", toCsv(outcome));
});
html("shortcut").textContent = isApple() ? "⌘ Enter" : "Ctrl Enter";

await places.find();
