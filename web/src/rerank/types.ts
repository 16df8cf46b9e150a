/** What goes into the library and what comes out of it. */

/** A variant of the weights, by the names of Transformers.js. `int8` is the row-wise kind of `yesrank convert`. */
export type Dtype = "fp32" | "fp16" | "q8" | "int8" | "uint8" | "q4" | "q4f16" | "bnb4";

/** Browser: wasm, webgpu. Node: cpu, cuda, coreml, dml, webgpu; which of them work depends on the machine. */
export type Device = "wasm" | "webgpu" | "cpu" | "cuda" | "coreml" | "dml";

/** How the prompt is written: `card` is the model card's, `onnx-card` that of published Transformers.js cards. */
export type TemplateName = "card" | "chat" | "onnx-card";

/** The same, or that of a template of the folder's own: a hash of its text. */
export type UsedTemplate = TemplateName | `own-${string}`;

/** The files of a model folder, for callers with a place of their own (a folder picked from disk, an archive). */
export interface ModelFiles {
  /** For messages. */
  readonly name: string;
  /**
   * The bytes of a file such as "onnx/model_q4.onnx"; null where there is none.
   * onBytes: called with the number of bytes read since the last call.
   */
  read(path: string, options: ReadOptions): Promise<Uint8Array | null>;
  /** The size of a file in bytes, without reading it; null where it does not exist, undefined where unknown. */
  size(path: string, options: ReadOptions): Promise<number | null | undefined>;
  /** Where the file lies on this machine, for runtimes that read it themselves; null where it does not exist. */
  locate?(path: string, options: ReadOptions): Promise<string | null>;
}

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** Bytes over all files of a load. file: the one being read, "" while the session is made. */
export interface LoadProgress {
  readonly file: string;
  readonly loaded: number;
  /** Sum of the sizes known so far; grows while files are found, and is 0 where no size is known. */
  readonly total: number;
}

export interface LoadOptions {
  /** Default: q8 on wasm and cpu, q4 on others; where the folder lacks it, the best that it has. */
  dtype?: Dtype | undefined;
  /** Default: wasm in a browser, cpu in Node. */
  device?: Device | undefined;
  /** Default: that of yesrank.json, which may be one of its own in template.txt, else card. */
  template?: TemplateName | undefined;
  /** Tokens of a whole prompt; longer documents are cut, never the query. Default: yesrank.json, else 8192. */
  maxLength?: number | undefined;
  /** Instruction for calls that give none. Default: that of yesrank.json, else the model card's for web search. */
  instruction?: string | undefined;
  /** Branch, tag or commit, for models of a hub. Default: main. */
  revision?: string | undefined;
  /** Default: https://huggingface.co, in Node HF_ENDPOINT where it is set. */
  hub?: string | undefined;
  /** Keep what comes from a hub: in the browser's Cache API, in Node in a folder. Default: true. */
  cache?: boolean | undefined;
  /** Node: the folder of that cache. Default: YESRANK_CACHE, else ~/.cache/yesrank/npm. */
  cacheDir?: string | undefined;
  /** Reads every file that comes over HTTP. Default: globalThis.fetch. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Browser: where onnxruntime's own files lie. Default: beside the module that the bundler made. */
  wasmPaths?: string | { mjs?: string | URL; wasm?: string | URL } | undefined;
  /** Browser: the content of that .wasm file, for callers that unpack it themselves. */
  wasmBinary?: ArrayBuffer | Uint8Array | undefined;
  /** Threads of wasm (where the page is cross-origin isolated) or cpu. The first load of a page decides. */
  threads?: number | undefined;
  progress?: ((progress: LoadProgress) => void) | undefined;
  /** Ends the load, also in the middle of a file. */
  signal?: AbortSignal | undefined;
}

export interface RerankOptions {
  /** What makes a document relevant, in one sentence. Default: the reranker's own. */
  instruction?: string | undefined;
  /** How many results to return; 0 or none for all. */
  topN?: number | undefined;
  /** Instead of the reranker's own. */
  maxLength?: number | undefined;
  /** Query and documents are texts, whatever they look like: they are not looked at for a template that they are in. */
  asText?: boolean | undefined;
  /** Ends the call before the next document. */
  signal?: AbortSignal | undefined;
  /** Called after each document. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** One ranked document. */
export interface RerankResult {
  /** Its position in the documents given. */
  readonly index: number;
  /** Probability of "yes": sigmoid(logit). */
  readonly score: number;
  /** Logit of "yes" minus logit of "no"; still tells documents apart where scores round to 1. */
  readonly logit: number;
  /** Whether the document was cut to fit. */
  readonly truncated: boolean;
  readonly document: string;
}

/**
 * Results by descending logit, ties in the order given. tokens: ids of all prompts. notes: what a caller should know,
 * such as that the query came in the chat template and was taken out of it.
 */
export type Ranking = readonly RerankResult[] & {
  readonly tokens: number;
  readonly notes: readonly string[];
};

/** What runs. */
export interface ModelInfo {
  readonly name: string;
  readonly dtype: Dtype;
  readonly device: Device;
  readonly threads: number;
  /** yesno: two logits; full: logits of the whole vocabulary at every position. */
  readonly head: "yesno" | "full";
  readonly template: UsedTemplate;
  readonly maxLength: number;
  /** The highest maxLength that may be asked for. */
  readonly limit: number;
  /** Whether query and instruction are computed once for all documents of a call. */
  readonly sharesPrefix: boolean;
  /** Bytes of the model's files. */
  readonly bytes: number;
}
