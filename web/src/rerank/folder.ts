/** What a model folder holds, read and checked before its weights are. */
import { InputError, ModelError } from "./errors.ts";
import { type Template, templateNamed } from "./prompt.ts";
import { isOwn, ownTemplate, FILE as TEMPLATE } from "./templates.ts";
import type { Dtype, ModelFiles, ReadOptions } from "./types.ts";

/** File names of the variants, as Transformers.js has them. */
const SUFFIX: Record<Dtype, string> = {
  fp32: "",
  fp16: "_fp16",
  q8: "_quantized",
  int8: "_int8",
  uint8: "_uint8",
  q4: "_q4",
  q4f16: "_q4f16",
  bnb4: "_bnb4",
};
export const DTYPES = Object.keys(SUFFIX) as Dtype[];

const CARD_MAX_LENGTH = 8192;
const CARD_LIMIT = 32768;
const AGAIN = "the copy is incomplete or altered: copy or convert the model again";

interface Manifest {
  readonly template?: unknown;
  readonly instruction?: unknown;
  readonly answers?: Readonly<Record<string, unknown>>;
  readonly max_length?: unknown;
  readonly limit?: unknown;
  readonly files?: Readonly<Record<string, { readonly bytes?: unknown }>>;
}

interface Config {
  readonly model_type?: unknown;
  readonly max_position_embeddings?: unknown;
  readonly "transformers.js_config"?: { readonly use_external_data_format?: unknown };
}

/** A variant's files: the graph and its external data, which it knows by their names. */
export interface Variant {
  readonly dtype: Dtype;
  readonly graph: string;
  readonly data: readonly string[];
}

export class Folder {
  readonly files: ModelFiles;
  readonly #manifest: Manifest | undefined;
  readonly #config: Config;

  private constructor(files: ModelFiles, manifest: Manifest | undefined, config: Config) {
    this.files = files;
    this.#manifest = manifest;
    this.#config = config;
  }

  /** Throws ModelError where there is no model of this kind. */
  static async open(files: ModelFiles, options: ReadOptions): Promise<Folder> {
    const [config, manifest] = await Promise.all([
      readJson<Config>(files, "config.json", options),
      readJson<Manifest>(files, "yesrank.json", options),
    ]);
    if (!config) {
      throw new ModelError(
        `${files.name} has no config.json`,
        "give a folder of ONNX files: yesrank convert CHECKPOINT FOLDER --format onnx",
      );
    }
    if (config.model_type !== "qwen3") {
      const what = JSON.stringify(config.model_type);
      throw new ModelError(`${files.name} is a model of type ${what}; a Qwen3-Reranker has "qwen3"`);
    }
    return new Folder(files, manifest, config);
  }

  /** Whether yesrank made it: int8 is row-wise then, and sizes are known. */
  get ours(): boolean {
    return this.#manifest !== undefined;
  }

  /** The template that its prompts are in. Throws ModelError where it has one of its own that cannot be read. */
  async template(options: ReadOptions): Promise<Template> {
    const name = String(this.#manifest?.template ?? "card");
    if (!isOwn(name)) return templateNamed(name);
    return ownTemplate(await this.read(TEMPLATE, options), name, `${this.files.name}: ${TEMPLATE}`);
  }

  /** The instruction that it was trained with; undefined where nothing is said. */
  get instruction(): string | undefined {
    const found = this.#manifest?.instruction;
    return typeof found === "string" ? found : undefined;
  }

  /** The ids of what the model answers; undefined where nothing is said. */
  get answers(): { yes: number; no: number } | undefined {
    const { yes, no } = this.#manifest?.answers ?? {};
    return typeof yes === "number" && typeof no === "number" ? { yes, no } : undefined;
  }

  /** The highest maxLength that may be asked for. */
  get limit(): number {
    return Math.min(number(this.#config.max_position_embeddings, CARD_LIMIT), CARD_LIMIT);
  }

  get maxLength(): number {
    return Math.min(number(this.#manifest?.max_length, CARD_MAX_LENGTH), this.limit);
  }

  variant(dtype: Dtype): Variant {
    const graph = `onnx/model${SUFFIX[dtype]}.onnx`;
    const count = this.#dataFiles(graph.slice("onnx/".length));
    const data = Array.from({ length: count }, (_, index) => `${graph}_data${index ? `_${index}` : ""}`);
    return { dtype, graph, data };
  }

  /** Sizes of files in bytes, undefined where unknown. Throws ModelError where one is missing or cut short. */
  async sizes(paths: readonly string[], options: ReadOptions): Promise<(number | undefined)[]> {
    return Promise.all(
      paths.map(async (path) => {
        const size = await this.#size(path, options);
        if (size === null) throw new ModelError(`${this.files.name} has no ${path}`, AGAIN);
        this.#check(path, size);
        return size;
      }),
    );
  }

  /** Whether a variant's graph is there. */
  async has(dtype: Dtype, options: ReadOptions): Promise<boolean> {
    const { graph } = this.variant(dtype);
    return this.#manifest?.files
      ? graph in this.#manifest.files
      : (await this.#size(graph, options)) !== null;
  }

  /** The variants whose graph is there. */
  async variants(options: ReadOptions): Promise<Dtype[]> {
    const there = await Promise.all(DTYPES.map((dtype) => this.has(dtype, options)));
    return DTYPES.filter((_, index) => there[index]);
  }

  /** The bytes of a file. Throws ModelError where it is missing or not as long as the manifest says. */
  async read(path: string, options: ReadOptions): Promise<Uint8Array> {
    const bytes = await this.files.read(path, options);
    options.signal?.throwIfAborted();
    if (!bytes) throw new ModelError(`${this.files.name} has no ${path}`, AGAIN);
    this.#check(path, bytes.byteLength);
    return bytes;
  }

  async #size(path: string, options: ReadOptions): Promise<number | null | undefined> {
    return this.files.size(path, options);
  }

  #check(path: string, size: number | undefined): void {
    const expected = this.#manifest?.files?.[path]?.bytes;
    if (size !== undefined && typeof expected === "number" && size !== expected) {
      throw new ModelError(
        `${this.files.name}: ${path} has ${size} bytes, yesrank.json says ${expected}`,
        AGAIN,
      );
    }
    if (size === 0) throw new ModelError(`${this.files.name}: ${path} is empty`, AGAIN);
  }

  /** As Transformers.js reads it: a number or yes or no for all files, or a map by the graph's name. */
  #dataFiles(graph: string): number {
    const told = this.#config["transformers.js_config"]?.use_external_data_format;
    const map = told as Record<string, unknown> | null | undefined;
    return Number(typeof told === "object" ? (map?.[graph] ?? map?.model ?? 0) : (told ?? 0));
  }
}

/** Throws InputError for a variant that no folder has. */
export function checkDtype(dtype: string): void {
  if ((DTYPES as string[]).includes(dtype)) return;
  throw new InputError("dtype", `${JSON.stringify(dtype)} is not known`, `use one of: ${DTYPES.join(", ")}`);
}

async function readJson<T>(files: ModelFiles, path: string, options: ReadOptions): Promise<T | undefined> {
  const bytes = await files.read(path, { signal: options.signal });
  if (!bytes) return undefined;
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new TypeError("it is not a JSON object");
    }
    return value as T;
  } catch (error) {
    throw new ModelError(`${files.name}: ${path} cannot be read: ${error}`, AGAIN, { cause: error });
  }
}

function number(value: unknown, otherwise: number): number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 ? value : otherwise;
}
