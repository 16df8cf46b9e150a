/** A folder and options -> an engine: chooses the variant, reads its files, opens the session. */
import type { InferenceSession } from "onnxruntime-web";
import { type Answers, Engine, inTurn } from "./engine.ts";
import { DeviceError, InputError, ModelError } from "./errors.ts";
import { message } from "./files.ts";
import { checkDtype, type Folder, type Variant } from "./folder.ts";
import { platform, type Runtime } from "./platform.ts";
import type { Device, Dtype, LoadOptions, ReadOptions } from "./types.ts";
import { checkWebgpu, deviceWithoutSubgroups, webgpuSupport } from "./webgpu.ts";

const TOKENIZER = "tokenizer.json";
const CUDA = "npm install onnxruntime-node without --ignore-scripts, CUDA 12 and cuDNN 9";

export interface Opened {
  readonly engine: Engine;
  readonly dtype: Dtype;
  readonly device: Device;
  readonly threads: number;
  readonly bytes: number;
}

/** What a load reads: first the tokenizer, then the weights, with progress over both. */
export class Loader {
  readonly #folder: Folder;
  readonly #options: LoadOptions;
  readonly #variant: Variant;
  readonly #device: Device;
  readonly #total: number;
  #loaded = 0;

  private constructor(folder: Folder, options: LoadOptions, variant: Variant, device: Device, total: number) {
    this.#folder = folder;
    this.#options = options;
    this.#variant = variant;
    this.#device = device;
    this.#total = total;
  }

  /** Throws before anything large is read: InputError, ModelError (a file missing or cut) or DeviceError. */
  static async plan(folder: Folder, options: LoadOptions): Promise<Loader> {
    const device = chosenDevice(options);
    const dtype = await chosenDtype(folder, device, options);
    const variant = folder.variant(dtype);
    const paths = [TOKENIZER, variant.graph, ...variant.data];
    const sizes = await folder.sizes(paths, { signal: options.signal });
    const total = sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
    return new Loader(folder, options, variant, device, total);
  }

  async tokenizer(): Promise<string> {
    return new TextDecoder().decode(await this.#read(TOKENIZER));
  }

  async open(answers: Answers): Promise<Opened> {
    const { dtype } = this.#variant;
    const { runtime, threads } = await platform().runtime(this.#device, this.#options);
    const session = await this.#session(runtime, threads);
    try {
      this.#options.signal?.throwIfAborted();
      const engine = new Engine(session, runtime, answers, rowwise(dtype, this.#folder.ours));
      return { engine, dtype, device: this.#device, threads, bytes: this.#total };
    } catch (error) {
      await session.release();
      throw error;
    }
  }

  async #session(runtime: Runtime, threads: number): Promise<InferenceSession> {
    const sessionOptions: InferenceSession.SessionOptions = {
      executionProviders: [await provider(this.#device)],
      logSeverityLevel: 3, // errors: which nodes stay on the CPU is no concern of a caller
      intraOpNumThreads: threads,
      ...(this.#device === "webgpu" ? { preferredOutputLocation: "gpu-buffer" } : {}),
    };
    const path = await this.#located();
    if (path !== undefined) {
      return this.#created(() => runtime.InferenceSession.create(path, sessionOptions));
    }
    const graph = await this.#read(this.#variant.graph);
    const externalData: { path: string; data: Uint8Array }[] = [];
    for (const file of this.#variant.data) {
      externalData.push({ path: file.slice(file.lastIndexOf("/") + 1), data: await this.#read(file) });
    }
    this.#tell("", 0);
    const options = { ...sessionOptions, ...(externalData.length ? { externalData } : {}) };
    return this.#created(() => runtime.InferenceSession.create(graph, options));
  }

  /** The path of the graph, where its files lie on this machine; undefined where they have to be read. */
  async #located(): Promise<string | undefined> {
    const { files } = this.#folder;
    if (!files.locate) return undefined;
    const paths: string[] = [];
    for (const file of [this.#variant.graph, ...this.#variant.data]) {
      const path = await files.locate(file, this.#reading(file));
      if (path === null) throw new ModelError(`${files.name} has no ${file}`);
      paths.push(path);
    }
    this.#tell("", 0);
    return paths[0];
  }

  async #created(create: () => Promise<InferenceSession>): Promise<InferenceSession> {
    this.#options.signal?.throwIfAborted();
    try {
      return await inTurn(create);
    } catch (error) {
      throw notOpened(this.#folder.files.name, this.#variant.graph, this.#device, error);
    }
  }

  #read(file: string): Promise<Uint8Array> {
    return this.#folder.read(file, this.#reading(file));
  }

  #reading(file: string): ReadOptions {
    return { signal: this.#options.signal, onBytes: (bytes) => this.#tell(file, bytes) };
  }

  #tell(file: string, bytes: number): void {
    this.#loaded += bytes;
    const loaded = file === "" ? Math.max(this.#loaded, this.#total) : this.#loaded;
    this.#options.progress?.({ file, loaded, total: Math.max(this.#total, loaded) });
  }
}

function chosenDevice(options: LoadOptions): Device {
  const { devices } = platform();
  const device = options.device ?? devices[0];
  if (device && devices.includes(device)) return device;
  throw new InputError(
    "device",
    `${JSON.stringify(device)} is not known`,
    `use one of: ${devices.join(", ")}`,
  );
}

/** The one asked for, or the best that the folder has for a device. */
async function chosenDtype(folder: Folder, device: Device, options: LoadOptions): Promise<Dtype> {
  const support = device === "webgpu" ? await webgpuSupport() : { webgpu: false, shaderF16: false };
  const browserGpu = device === "webgpu" && platform().devices.includes("wasm");
  if (browserGpu) checkWebgpu(device, "fp32", support);
  if (options.dtype) checkDtype(options.dtype);
  const wanted = options.dtype ? [options.dtype] : preferred(device, folder.ours, support.shaderF16);
  for (const dtype of wanted) {
    if (!(await folder.has(dtype, { signal: options.signal }))) continue;
    if (browserGpu) checkWebgpu(device, dtype, support);
    return dtype;
  }
  throw await lacking(folder, options);
}

async function lacking(folder: Folder, { dtype, signal }: LoadOptions): Promise<ModelError> {
  const found = await folder.variants({ signal });
  const hint = found.length
    ? `it has: ${found.join(", ")}`
    : "convert the checkpoint: yesrank convert CHECKPOINT FOLDER --format onnx";
  const what = dtype ? `variant ${dtype} (${folder.variant(dtype).graph})` : "variant for this device";
  return new ModelError(`${folder.files.name} has no ${what}`, hint);
}

function preferred(device: Device, ours: boolean, shaderF16: boolean): readonly Dtype[] {
  const eight: readonly Dtype[] = ours ? ["int8", "q8"] : ["q8", "int8"]; // int8 of ours keeps rows apart
  if (device === "wasm" || device === "cpu")
    return [...eight, "q4", "fp32", "fp16", "q4f16", "uint8", "bnb4"];
  const half: readonly Dtype[] = shaderF16 || device !== "webgpu" ? ["q4f16", "fp16"] : [];
  return ["q4", ...half, "fp32", ...eight];
}

async function provider(device: Device): Promise<InferenceSession.ExecutionProviderConfig> {
  const own = device === "webgpu" ? await deviceWithoutSubgroups() : undefined;
  return own ? ({ name: "webgpu", device: own } as InferenceSession.ExecutionProviderConfig) : device;
}

/** Whether a token's numbers depend on its own row only: not so where one scale serves all rows of an activation. */
function rowwise(dtype: Dtype, ours: boolean): boolean {
  return dtype === "int8" ? ours : dtype !== "q8" && dtype !== "uint8";
}

const DAMAGED =
  /protobuf|invalid_graph|invalid model|no such file|file (size|length)|out of bounds|external/i;
const DEVICE =
  /no available backend|execution ?provider|backend not found|not supported.*(provider|backend)/i;

/**
 * onnxruntime's text names the cause in its own words; a reader needs to know what to do. Where another device than
 * the default was asked for, what does not speak of the file speaks of the device.
 */
export function notOpened(
  name: string,
  graph: string,
  device: Device,
  cause: unknown,
): ModelError | DeviceError {
  const text = message(cause).trim();
  const byDefault = platform().devices[0] ?? "cpu";
  if (DEVICE.test(text) || (device !== byDefault && !DAMAGED.test(text))) {
    const hint = `use device ${byDefault}${device === "cuda" ? `, or see what cuda needs: ${CUDA}` : ""}`;
    return new DeviceError(`device ${device} cannot be used here: ${text}`, hint, { cause });
  }
  const external = /external data|external initializer|_data/i.test(text);
  const hint = external
    ? "external data is missing or cut short: copy the folder again, with all files beside the graph"
    : "the file may be cut short: copy the folder again, or try another dtype";
  return new ModelError(`${name}: ${graph} cannot be opened: ${text}`, hint, { cause });
}
