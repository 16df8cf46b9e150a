/** Models that run in this browser: the page's side of the worker. */

import type { Device, Dtype } from "../../src/rerank/index.ts";
import type { FromWorker, Loaded, Place, ToWorker } from "./messages.ts";
import type { Request, Run, Watch } from "./outcome.ts";
import { Problem } from "./problem.ts";
import { keyNeeded } from "./server.ts";

export interface Choice {
  /** The model's name, for people. */
  readonly name: string;
  readonly place: Place;
  readonly dtype: Dtype;
  readonly device: Device;
}

type Reply<K extends FromWorker["kind"]> = Extract<FromWorker, { kind: K }>;

/** How long a cancelled worker may take to end the document it is at; then it is ended, and its model with it. */
const PATIENCE = 8000;

/** One worker with at most one model. */
export class Local {
  #worker: Worker | undefined;
  #loaded: { choice: Choice; loaded: Loaded } | undefined;

  /** The variants that a folder has. Throws Problem. */
  async variants(place: Place, signal: AbortSignal): Promise<readonly Dtype[]> {
    const reply = await this.#ask(
      { kind: "variants", place },
      "variants",
      { signal, progress: () => undefined },
      place,
    );
    return reply.variants;
  }

  /** Loads the model unless it is there, then scores. Throws Problem, or the signal's reason. */
  async rank(choice: Choice, request: Request, watch: Watch): Promise<Run> {
    const begun = performance.now();
    const there = this.#loaded !== undefined && same(this.#loaded.choice, choice);
    const loaded = there && this.#loaded ? this.#loaded.loaded : await this.#load(choice, watch);
    const loadSeconds = there ? null : (performance.now() - begun) / 1e3;
    const start = performance.now();
    watch.progress({ stage: "score", done: 0, total: request.documents.length });
    const { ranked } = await this.#ask({ kind: "rank", request }, "ranked", watch, choice.place);
    return {
      model: choice.name,
      precision: loaded.dtype,
      device: loaded.device,
      results: ranked.results,
      tokens: ranked.tokens,
      seconds: (performance.now() - start) / 1e3,
      loadSeconds,
      loadBytes: there ? null : loaded.bytes,
      threads: loaded.threads,
      notes: ranked.notes,
    };
  }

  /** Ends the worker and frees the model. */
  close(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#loaded = undefined;
  }

  async #load(choice: Choice, watch: Watch): Promise<Loaded> {
    this.close(); // WebAssembly memory does not shrink: a new worker is the way to give it back
    watch.progress({ stage: "load", done: 0, total: 0 });
    const { place, dtype, device } = choice;
    const { loaded } = await this.#ask({ kind: "load", place, dtype, device }, "loaded", watch, place);
    this.#loaded = { choice, loaded };
    return loaded;
  }

  #ask<K extends FromWorker["kind"]>(
    message: ToWorker,
    wanted: K,
    watch: Watch,
    place: Place,
  ): Promise<Reply<K>> {
    watch.signal.throwIfAborted();
    this.#worker ??= new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    const worker = this.#worker;
    return new Promise<Reply<K>>((resolve, reject) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const end = (settle: () => void) => {
        clearTimeout(timer);
        worker.removeEventListener("message", hear);
        worker.removeEventListener("error", crash);
        watch.signal.removeEventListener("abort", cancel);
        settle();
      };
      const hear = ({ data }: MessageEvent<FromWorker>) => {
        if (data.kind === "progress") watch.progress(data.progress);
        else if (data.kind === wanted) end(() => resolve(data as Reply<K>));
        else if (data.kind === "cancelled") end(() => reject(watch.signal.reason));
        else if (data.kind === "failed") end(() => reject(this.#problem(data, place)));
      };
      const crash = (event: ErrorEvent) => {
        this.close();
        const next = "Reload the page; a smaller model or precision needs less memory.";
        end(() =>
          reject(new Problem(`The model's worker ended: ${event.message || "it could not start"}.`, next)),
        );
      };
      const cancel = () => {
        worker.postMessage({ kind: "cancel" } satisfies ToWorker);
        timer = setTimeout(() => {
          this.close();
          end(() => reject(watch.signal.reason));
        }, PATIENCE);
      };
      worker.addEventListener("message", hear);
      worker.addEventListener("error", crash);
      watch.signal.addEventListener("abort", cancel);
      worker.postMessage(message);
    });
  }

  #problem({ message, next, status }: Reply<"failed">, place: Place): Problem {
    if (status === 401) return keyNeeded(place.kind === "url" ? place.key : "");
    const memory = /memory|alloc|Array buffer|out of bounds/i.test(message);
    if (memory) this.close();
    const advice = memory
      ? "The model does not fit into this browser's memory: choose a smaller precision or model."
      : next;
    return new Problem(sentence(message), advice === undefined ? undefined : sentence(advice));
  }
}

function same(a: Choice, b: Choice): boolean {
  return a.place === b.place && a.dtype === b.dtype && a.device === b.device;
}

function sentence(text: string): string {
  const trimmed = text.trim();
  return /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}
