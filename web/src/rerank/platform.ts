/** What differs between browsers and Node. The entry points index.ts and node.ts each install one. */
import type { InferenceSession, Tensor } from "onnxruntime-web";
import type { Device, LoadOptions, ModelFiles } from "./types.ts";

/** What this library uses of onnxruntime, the same in onnxruntime-web and onnxruntime-node. */
export interface Runtime {
  readonly InferenceSession: {
    create(path: string, options: InferenceSession.SessionOptions): Promise<InferenceSession>;
    create(bytes: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
  readonly Tensor: typeof Tensor;
}

export interface Platform {
  readonly devices: readonly Device[];
  /** The files of a model given by name, URL or path. Throws InputError where it is none of them. */
  open(model: string | URL, options: LoadOptions): Promise<ModelFiles>;
  /** onnxruntime, made ready for a device. threads: how many will work. */
  runtime(device: Device, options: LoadOptions): Promise<{ runtime: Runtime; threads: number }>;
  /** Lets timers and messages (an abort among them) be handled. */
  breathe(): Promise<void>;
}

let installed: Platform | undefined;

export function install(platform: Platform): void {
  installed ??= platform;
}

export function platform(): Platform {
  if (!installed) throw new Error("import the package by its name: no platform is installed");
  return installed;
}
