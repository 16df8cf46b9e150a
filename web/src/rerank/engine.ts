/** Token ids -> logit: one onnxruntime session, one prompt at a time. Knows nothing of texts and templates. */
import type { InferenceSession, Tensor } from "onnxruntime-web";
import { DeviceError, ModelError } from "./errors.ts";
import { halfToNumber } from "./half.ts";
import type { Runtime } from "./platform.ts";
import type { Prompt } from "./tokens.ts";

type Tensors = Record<string, Tensor>;
type TensorMetadata = InferenceSession.ValueMetadata & { isTensor: true };

/** Ids of the answers. */
export interface Answers {
  readonly yes: number;
  readonly no: number;
}

/** Keys and values of the ids that all prompts of a call begin with. */
interface Prefix {
  readonly length: number;
  readonly past: Tensors;
}

/** Runs of all sessions in turn: onnxruntime-web refuses a second one before the first is done. */
let queue: Promise<unknown> = Promise.resolve();

export function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const result = queue.then(work);
  queue = result.catch(() => undefined); // a failure is its own
  return result;
}

export class Engine {
  readonly #session: InferenceSession;
  readonly #runtime: Runtime;
  readonly #answers: Answers;
  readonly #past: readonly TensorMetadata[];
  readonly sharesPrefix: boolean;

  /**
   * exact: whether the variant computes each token alike whatever stands beside it; only then is the prefix shared.
   * Throws ModelError where the graph is not that of a decoder with logits.
   */
  constructor(session: InferenceSession, runtime: Runtime, answers: Answers, exact: boolean) {
    this.#session = session;
    this.#runtime = runtime;
    this.#answers = answers;
    const inputs = session.inputMetadata;
    this.#past = inputs.filter((input): input is TensorMetadata => /^past_key_values\./.test(input.name));
    const unknown = inputs.filter(
      (input) => !this.#past.includes(input as TensorMetadata) && !(input.name in INPUTS),
    );
    if (
      unknown.length ||
      !session.inputNames.includes("input_ids") ||
      !session.outputNames.includes("logits")
    ) {
      throw new ModelError(
        `the graph is not that of a reranker: inputs ${session.inputNames.slice(0, 4).join(", ")}, ` +
          `outputs ${session.outputNames.slice(0, 2).join(", ")}`,
        "a reranker's graph maps input_ids to logits",
      );
    }
    const presents = this.#past.map((input) => presentName(input.name));
    const returns = presents.every((name) => session.outputNames.includes(name));
    this.sharesPrefix = exact && this.#past.length > 0 && returns;
  }

  /** Whether the graph computes two logits or the whole vocabulary. */
  get head(): "yesno" | "full" {
    const logits = this.#session.outputMetadata.find((output) => output.name === "logits");
    return logits?.isTensor && logits.shape.length === 2 ? "yesno" : "full";
  }

  /** Logits (yes minus no) of prompts, one after the other. The prompts' first `shared` ids must be the same. */
  async *logits(prompts: Iterable<Prompt>): AsyncGenerator<number> {
    let prefix: Prefix | undefined;
    try {
      for (const { ids, shared } of prompts) {
        if (this.sharesPrefix) prefix ??= await this.#prefix(ids.slice(0, shared));
        yield await this.#logit(prefix ? ids.slice(prefix.length) : ids, prefix);
      }
    } finally {
      for (const tensor of Object.values(prefix?.past ?? {})) tensor.dispose();
    }
  }

  async release(): Promise<void> {
    await inTurn(() => this.#session.release());
  }

  async #prefix(ids: readonly number[]): Promise<Prefix> {
    const names = this.#past.map((input) => presentName(input.name));
    const outputs = await this.#run(this.#feeds(ids, undefined), names);
    const past = Object.fromEntries(
      this.#past.map((input) => [input.name, outputs[presentName(input.name)]]),
    );
    return { length: ids.length, past: past as Tensors };
  }

  async #logit(ids: readonly number[], prefix: Prefix | undefined): Promise<number> {
    const { logits } = await this.#run(this.#feeds(ids, prefix), ["logits"]);
    if (!logits) throw new ModelError("the graph returned no logits");
    const data = (await logits.getData()) as ArrayLike<number>;
    const [yes, no] = this.#places(logits.dims);
    const half = data instanceof Uint16Array;
    const at = (place: number): number => (half ? halfToNumber(data[place] ?? NaN) : Number(data[place]));
    const logit = at(yes) - at(no);
    const type = logits.type;
    logits.dispose();
    if (!Number.isFinite(logit)) {
      throw new DeviceError(`the model returned ${logit} (${type})`, "try another dtype, or device wasm");
    }
    return logit;
  }

  /** Where the two answers stand in the logits of one prompt, at its last position. */
  #places(dims: readonly number[]): [yes: number, no: number] {
    if (dims.length === 2 && dims[0] === 1 && dims[1] === 2) return [1, 0]; // (no, yes)
    const [batch, length, vocabulary] = dims;
    const { yes, no } = this.#answers;
    if (dims.length === 3 && batch === 1 && length && vocabulary && Math.max(yes, no) < vocabulary) {
      return [(length - 1) * vocabulary + yes, (length - 1) * vocabulary + no];
    }
    throw new ModelError(`logits of shape [${dims.join(", ")}] are not those of a reranker`);
  }

  #feeds(ids: readonly number[], prefix: Prefix | undefined): Tensors {
    const feeds: Tensors = { ...(prefix?.past ?? this.#empty()) };
    const past = prefix?.length ?? 0;
    for (const name of this.#session.inputNames) {
      const make = INPUTS[name];
      if (make) feeds[name] = make(this.#runtime, ids, past);
    }
    return feeds;
  }

  /** The past of a prompt's beginning: no token. Throws ModelError where the graph leaves its sizes open. */
  #empty(): Tensors {
    const tensors = this.#past.map((input): [string, Tensor] => {
      const [, heads, , size] = input.shape;
      if (typeof heads !== "number" || typeof size !== "number") {
        throw new ModelError(`the graph's input ${input.name} has open sizes`, "convert the model again");
      }
      const type = input.type === "float16" ? "float16" : "float32";
      const data = type === "float16" ? new Uint16Array(0) : new Float32Array(0);
      return [input.name, new this.#runtime.Tensor(type, data as Float32Array, [1, heads, 0, size])];
    });
    return Object.fromEntries(tensors);
  }

  async #run(feeds: Tensors, names: readonly string[]): Promise<Tensors> {
    try {
      return (await inTurn(() => this.#session.run(feeds, names))) as Tensors;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      throw new DeviceError(
        `the run failed: ${text}`,
        "try another dtype, device wasm or a lower maxLength",
        {
          cause: error,
        },
      );
    }
  }
}

type MakeInput = (runtime: Runtime, ids: readonly number[], past: number) => Tensor;

/** Inputs that graphs of decoders declare, besides their past. */
const INPUTS: Record<string, MakeInput> = {
  input_ids: ({ Tensor }, ids) => new Tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]),
  attention_mask: ({ Tensor }, ids, past) =>
    new Tensor("int64", new BigInt64Array(past + ids.length).fill(1n), [1, past + ids.length]),
  position_ids: ({ Tensor }, ids, past) =>
    new Tensor(
      "int64",
      BigInt64Array.from(ids, (_, place) => BigInt(past + place)),
      [1, ids.length],
    ),
  num_logits_to_keep: ({ Tensor }) => new Tensor("int64", BigInt64Array.of(1n), []),
};

function presentName(past: string): string {
  return past.replace("past_key_values", "present");
}
