/** The public reranker: composes prompt, tokens and engine. */
import type { Engine } from "./engine.ts";
import { InputError } from "./errors.ts";
import { Folder } from "./folder.ts";
import { checkNames, LOAD_OPTIONS, RERANK_OPTIONS } from "./options.ts";
import { platform } from "./platform.ts";
import { checkNotBlank, DEFAULT_INSTRUCTION, frame, type Template, templateNamed } from "./prompt.ts";
import { type Plain, plain } from "./rendered.ts";
import { Loader } from "./session.ts";
import { PromptEncoder } from "./tokens.ts";
import type {
  Dtype,
  LoadOptions,
  ModelFiles,
  ModelInfo,
  Ranking,
  RerankOptions,
  RerankResult,
  UsedTemplate,
} from "./types.ts";

/** What `rerank` loads where no model is given: published files of the Hugging Face hub, 0.6B. */
export const DEFAULT_MODEL = "hf:huggingworld/Qwen3-Reranker-0.6B-ONNX";

/** Ranks documents by the probability that the model answers "yes". */
export class Reranker {
  /** What runs. */
  readonly info: ModelInfo;
  readonly #engine: Engine;
  readonly #encoder: PromptEncoder;
  readonly #template: Template;
  readonly #instruction: string;
  #open = true;

  private constructor(
    info: ModelInfo,
    engine: Engine,
    encoder: PromptEncoder,
    template: Template,
    instruction: string,
  ) {
    this.info = info;
    this.#engine = engine;
    this.#encoder = encoder;
    this.#template = template;
    this.#instruction = instruction;
  }

  /**
   * Loads a model. model: the URL of a folder, in Node its path, `hf:owner/name` of a hub, or files of your own.
   * Throws InputError, ModelError or DeviceError, each with the next step; the signal's reason where aborted.
   */
  static async load(model: string | URL | ModelFiles, options: LoadOptions = {}): Promise<Reranker> {
    checkNames(options, LOAD_OPTIONS);
    options.signal?.throwIfAborted();
    const asked = options.template === undefined ? undefined : templateNamed(options.template);
    const given = options.instruction === undefined ? undefined : text("instruction", options.instruction);
    const folder = await Folder.open(await filesOf(model, options), { signal: options.signal });
    const maxLength = checkedLength(options.maxLength ?? folder.maxLength, folder.limit);
    const template = asked ?? (await folder.template({ signal: options.signal }));
    const instruction = given ?? folder.instruction ?? DEFAULT_INSTRUCTION;
    const loader = await Loader.plan(folder, options);
    const encoder = new PromptEncoder(await loader.tokenizer());
    const answers = folder.answers ?? { yes: encoder.answerId("yes"), no: encoder.answerId("no") };
    const { engine, ...running } = await loader.open(answers);
    const { head, sharesPrefix } = engine;
    const { limit, files } = folder;
    const told = {
      name: files.name,
      ...running,
      head,
      template: template.name as UsedTemplate,
      maxLength,
      limit,
      sharesPrefix,
    };
    return new Reranker(told, engine, encoder, template, instruction);
  }

  /**
   * Results by descending logit, ties in the order given. Throws InputError, which names the field, or
   * DeviceError; the signal's reason where aborted.
   */
  async rerank(query: string, documents: readonly string[], options: RerankOptions = {}): Promise<Ranking> {
    if (!this.#open) throw new InputError("reranker", "it is disposed", "load it again");
    checkNames(options, RERANK_OPTIONS);
    const topN = wholeNumber("topN", options.topN ?? 0);
    const read = asRead(query, documents, options, this.#template);
    const instruction = read.instruction ?? options.instruction ?? this.#instruction;
    const around = frame(this.#template, instruction, read.query);
    const maxLength = checkedLength(options.maxLength ?? this.info.maxLength, this.info.limit);
    const encode = this.#encoder.prompts(around, maxLength);
    const prompts = read.documents.map(encode);
    const results = await this.#judged(prompts, documents, options);
    results.sort((a, b) => b.logit - a.logit || a.index - b.index);
    const tokens = prompts.reduce((sum, prompt) => sum + prompt.ids.length, 0);
    return Object.assign(topN ? results.slice(0, topN) : results, { tokens, notes: read.notes });
  }

  /** Frees the weights. A call that is under way ends with an error. */
  async dispose(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#engine.release();
  }

  async #judged(
    prompts: readonly ReturnType<ReturnType<PromptEncoder["prompts"]>>[],
    documents: readonly string[],
    { signal, onProgress }: RerankOptions,
  ): Promise<RerankResult[]> {
    const results: RerankResult[] = [];
    signal?.throwIfAborted();
    for await (const logit of this.#engine.logits(prompts)) {
      const index = results.length;
      const { truncated = false } = prompts[index] ?? {};
      results.push({ index, score: sigmoid(logit), logit, truncated, document: documents[index] ?? "" });
      onProgress?.(results.length, documents.length);
      await platform().breathe();
      signal?.throwIfAborted();
      if (!this.#open) throw new InputError("reranker", "it was disposed during the call");
    }
    return results;
  }
}

export interface ShorthandOptions
  extends RerankOptions,
    Omit<LoadOptions, "instruction" | "maxLength" | "signal"> {
  /** Default: DEFAULT_MODEL. It is loaded at the first call and kept. */
  model?: string | URL | undefined;
}

const kept = new Map<string, Promise<Reranker>>();

/** Loads a model once, keeps it, and ranks documents with it. Takes the options of `load` and of `rerank`. */
export async function rerank(
  query: string,
  documents: readonly string[],
  options: ShorthandOptions = {},
): Promise<Ranking> {
  checkNames(options, [...new Set(["model", ...RERANK_OPTIONS, ...LOAD_OPTIONS])]);
  const {
    model = DEFAULT_MODEL,
    instruction,
    topN,
    maxLength,
    asText,
    signal,
    onProgress,
    ...load
  } = options;
  const key = JSON.stringify([String(model), load]);
  const found = kept.get(key) ?? Reranker.load(model, load);
  kept.set(key, found);
  found.catch(() => kept.delete(key)); // the next call tries again
  return (await found).rerank(query, documents, { instruction, topN, maxLength, asText, signal, onProgress });
}

/** The variants that a model has. Throws InputError or ModelError. */
export async function variants(
  model: string | URL | ModelFiles,
  options: LoadOptions = {},
): Promise<Dtype[]> {
  checkNames(options, LOAD_OPTIONS);
  const folder = await Folder.open(await filesOf(model, options), { signal: options.signal });
  return folder.variants({ signal: options.signal });
}

async function filesOf(model: string | URL | ModelFiles, options: LoadOptions): Promise<ModelFiles> {
  if (typeof model === "string" || model instanceof URL) return platform().open(model, options);
  if (typeof model?.read === "function" && typeof model.size === "function") return model;
  throw new InputError("model", "must be a string, a URL or an object with name, read and size");
}

/** The texts of a call, checked, and taken out of the template that they may be in. */
function asRead(
  query: unknown,
  documents: unknown,
  { instruction, asText }: RerankOptions,
  template: Template,
): Plain {
  const asked = instruction === undefined ? undefined : text("instruction", instruction);
  const given = { query: checkNotBlank(text("query", query)), documents: texts(documents) };
  if (asText) return { ...given, instruction: undefined, notes: [] };
  return plain(given.query, given.documents, asked, template);
}

function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

function text(field: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw new InputError(field, `must be a string, not ${value === null ? "null" : typeof value}`);
}

function texts(documents: unknown): string[] {
  if (!Array.isArray(documents)) throw new InputError("documents", "must be an array of strings");
  return Array.from(documents, (document, index) => text(`documents[${index}]`, document));
}

function wholeNumber(field: string, value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  throw new InputError(field, `must be a whole number of 0 or more, not ${JSON.stringify(value)}`);
}

function checkedLength(asked: unknown, limit: number): number {
  if (wholeNumber("maxLength", asked) > 0 && Number(asked) <= limit) return Number(asked);
  throw new InputError("maxLength", `must be 1 to ${limit} tokens for this model, not ${asked}`);
}
