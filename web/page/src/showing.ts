/** The right side: progress, problems, results. */

import { button, element, html, make } from "./elements.ts";
import * as numbers from "./numbers.ts";
import type { Outcome, Progress, Scored } from "./outcome.ts";
import { explain } from "./problem.ts";

const PAGE = 100;
const LONG = 320; // characters that surely fit the lines shown

/** Draws; knows nothing of models. */
export class Showing {
  readonly #status = html("status");
  readonly #problem = html("problem");
  readonly #bar = element("progress", HTMLProgressElement);
  #outcome: Outcome | null = null;
  #shown = 0;

  constructor() {
    button("more").addEventListener("click", () => this.#more());
  }

  /** Says a sentence, also to screen readers. */
  say(text: string): void {
    this.#status.textContent = text;
  }

  begin(): void {
    this.clearProblem();
    html("work").hidden = false;
    html("list").classList.add("stale");
    this.#bar.removeAttribute("value");
    html("progress-text").textContent = "";
  }

  progress({ stage, done, total }: Progress): void {
    if (total > 0 && stage !== "start") {
      this.#bar.max = total;
      this.#bar.value = done;
    } else this.#bar.removeAttribute("value");
    html("progress-text").textContent = describe(stage, done, total);
  }

  end(): void {
    html("work").hidden = true;
    html("list").classList.remove("stale");
  }

  fail(error: unknown): void {
    const { message, next } = explain(error);
    const text = make("p");
    text.append(make("strong", "", message));
    this.#problem.replaceChildren(text, ...(next ? [make("p", "", next)] : []));
    this.#problem.hidden = false;
    this.say("");
  }

  clearProblem(): void {
    this.#problem.hidden = true;
    this.#problem.replaceChildren();
  }

  results(outcome: Outcome): void {
    this.#outcome = outcome;
    this.#shown = 0;
    html("empty").hidden = true;
    html("exports").hidden = false;
    html("list").replaceChildren();
    this.#more();
    const best = outcome.results[0];
    const first = best ? ` Best: document ${best.index + 1}, ${numbers.score(best.score)}.` : "";
    this.say(`Ranked ${numbers.counted(outcome.results.length, "document")}.${first}`);
    html("timing").textContent = timing(outcome);
    html("timing").hidden = false;
    html("notes").replaceChildren(...outcome.notes.map((note) => make("li", "", note)));
    html("notes").hidden = outcome.notes.length === 0;
    const results = html("results");
    if (results.getBoundingClientRect().top > innerHeight * 0.8) results.scrollIntoView(); // a narrow screen
  }

  #more(): void {
    const outcome = this.#outcome;
    if (!outcome) return;
    const end = Math.min(this.#shown + PAGE, outcome.results.length);
    for (let rank = this.#shown; rank < end; rank += 1) {
      const scored = outcome.results[rank];
      if (scored) html("list").append(row(scored, rank + 1, outcome.documents[scored.index] ?? ""));
    }
    this.#shown = end;
    const rest = outcome.results.length - end;
    button("more").hidden = rest === 0;
    button("more").textContent = `Show ${numbers.whole(Math.min(PAGE, rest))} more of ${numbers.whole(rest)}`;
  }
}

function describe(stage: Progress["stage"], done: number, total: number): string {
  if (stage === "start") return "Starting the model";
  if (stage === "score") return `${numbers.whole(done)} of ${numbers.counted(total, "document")}`;
  return total > 0
    ? `Loading the model: ${numbers.bytes(done)} of ${numbers.bytes(total)}`
    : "Loading the model";
}

/** "3 documents, 245 tokens in 80 ms: 38 documents/s. q8 on CPU, 2 threads. Model loaded in 1.2 s (6.1 MB)." */
function timing(outcome: Outcome): string {
  const { results, tokens, seconds, loadSeconds, loadBytes } = outcome;
  const amount = [
    numbers.counted(results.length, "document"),
    ...(tokens === null ? [] : [numbers.counted(tokens, "token")]),
  ];
  const speed = numbers.rate(results.length / Math.max(seconds, 1e-3));
  const parts = [
    `${amount.join(", ")} in ${numbers.seconds(seconds)}: ${speed} documents/s`,
    running(outcome),
  ];
  if (loadSeconds !== null) {
    const size = loadBytes ? ` (${numbers.bytes(loadBytes)})` : "";
    parts.push(`Model loaded in ${numbers.seconds(loadSeconds)}${size}`);
  }
  return `${parts.join(". ")}.`;
}

function running({ where, model, precision, device, threads }: Outcome): string {
  if (where === "server") return `${model} on the server`;
  const place = device === "webgpu" ? "the GPU" : `the CPU, ${numbers.counted(threads ?? 1, "thread")}`;
  return `${model}, ${precision} on ${place}`;
}

function row(scored: Scored, rank: number, text: string): HTMLLIElement {
  const item = make("li");
  const body = make("div");
  body.append(measure(scored), facts(scored), ...passage(text));
  item.append(make("span", "rank", String(rank)), body);
  return item;
}

function measure({ score }: Scored): HTMLDivElement {
  const line = make("div", "measure");
  const track = make("div", "track");
  const bar = make("div", "bar");
  bar.style.width = `${(score * 100).toFixed(2)}%`;
  track.append(bar);
  track.setAttribute("aria-hidden", "true");
  line.append(make("span", "score", numbers.score(score)), track);
  return line;
}

function facts({ logit, index, truncated }: Scored): HTMLDivElement {
  const line = make("div", "facts");
  line.append(
    make("span", "", `logit ${numbers.logit(logit)}`),
    make("span", "", `document ${numbers.whole(index + 1)}`),
  );
  if (truncated) {
    const mark = make("span", "cut", "cut");
    mark.title = "Longer than the model reads: only its beginning was judged";
    line.append(mark);
  }
  return line;
}

/** The text; a long one is folded, with a button that shows all of it. */
function passage(text: string): HTMLElement[] {
  const made = make("p", "text", text);
  if (text.length <= LONG && text.split("\n").length <= 4) return [made];
  made.classList.add("short");
  const unfold = make("button", "unfold", "Show all");
  unfold.type = "button";
  unfold.setAttribute("aria-expanded", "false");
  unfold.addEventListener("click", () => {
    const folded = made.classList.toggle("short");
    unfold.textContent = folded ? "Show all" : "Show less";
    unfold.setAttribute("aria-expanded", String(!folded));
  });
  return [made, unfold];
}
