/** Precisions, and which of them a device can run. */

import type { Device, Dtype } from "../../src/rerank/index.ts";
import type { Option } from "./elements.ts";
import { bytes } from "./numbers.ts";

/** Suffixes of graph files, by the names of Transformers.js, best first for a processor. */
const SUFFIXES: Readonly<Record<Dtype, string>> = {
  q8: "_quantized",
  int8: "_int8",
  q4: "_q4",
  q4f16: "_q4f16",
  fp16: "_fp16",
  fp32: "",
  uint8: "_uint8",
  bnb4: "_bnb4",
};
const ON_GPU: readonly Dtype[] = ["q4f16", "q4", "fp16", "fp32", "q8", "int8", "uint8", "bnb4"];
const ON_CPU = Object.keys(SUFFIXES) as Dtype[];
const HALF: readonly Dtype[] = ["fp16", "q4f16"];

/** What WebGPU offers here, found out once. */
export interface Gpu {
  readonly present: boolean;
  /** WebAssembly can wait for the GPU (JSPI), which our build of onnxruntime needs. */
  readonly waits: boolean;
  /** 16-bit arithmetic in shaders (shader-f16). */
  readonly half: boolean;
}

export async function findGpu(): Promise<Gpu> {
  const gpu = (navigator as { gpu?: { requestAdapter(): Promise<{ features: ReadonlySet<string> } | null> } })
    .gpu;
  const adapter = await gpu?.requestAdapter().catch(() => null);
  const waits = "Suspending" in WebAssembly;
  return { present: Boolean(adapter), waits, half: Boolean(adapter?.features.has("shader-f16")) };
}

/** Whether a model can run on the GPU. */
export const usable = (gpu: Gpu | null): boolean => gpu !== null && gpu.present && gpu.waits;

/** What stands below the device: what is missing, and what would help. */
export function deviceNote(gpu: Gpu): string {
  if (!gpu.present && !isSecureContext) {
    return "WebGPU is missing, so the CPU does the work: browsers offer it only over https and on localhost.";
  }
  if (!gpu.present) {
    return "WebGPU is missing in this browser, so the CPU does the work. It needs a current browser and graphics driver.";
  }
  if (!gpu.waits) {
    return "WebGPU is there, but this browser lacks what onnxruntime needs for it (JSPI), so the CPU does the work.";
  }
  return gpu.half
    ? ""
    : "This GPU has no 16-bit arithmetic (shader-f16): q4f16 and fp16 run on the CPU only.";
}

/** Options of the precision, the best for the device first; a variant that it cannot run is not to be chosen. */
export function precisions(sizes: ReadonlyMap<Dtype, number>, device: Device, half: boolean): Option[] {
  const order = device === "webgpu" ? ON_GPU : ON_CPU;
  return order.flatMap((dtype) => {
    const size = sizes.get(dtype);
    if (size === undefined) return [];
    const disabled = device === "webgpu" && HALF.includes(dtype) && !half;
    const label = `${dtype}${size ? `, ${bytes(size)}` : ""}${disabled ? " (needs shader-f16)" : ""}`;
    return [{ value: dtype, label, disabled }];
  });
}

/** The variants among a folder's files, each with its bytes, data files counted in. */
export function variantsOf(files: Iterable<readonly [string, number]>): Map<Dtype, number> {
  const found = new Map<Dtype, number>();
  for (const [path, size] of files) {
    const match = /^onnx\/model(_[a-z0-9]+)?\.onnx(_data(_\d+)?)?$/.exec(path);
    const dtype = match && ON_CPU.find((each) => SUFFIXES[each] === (match[1] ?? ""));
    if (dtype) found.set(dtype, (found.get(dtype) ?? 0) + size);
  }
  return found;
}
