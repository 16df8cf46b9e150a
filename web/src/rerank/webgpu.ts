/** What the browser's WebGPU can do. */
import { DeviceError } from "./errors.ts";
import type { Device, Dtype } from "./types.ts";

interface Adapter {
  readonly features: ReadonlySet<string>;
  readonly limits: Readonly<Record<string, number>>;
  readonly info?: { readonly subgroupMinSize?: number };
  requestDevice(wanted: object): Promise<object>;
}

interface Gpu {
  requestAdapter(options?: object): Promise<Adapter | null>;
}

/** webgpu: whether an adapter can be had; shaderF16: whether it computes with 16 bits, as fp16 and q4f16 need. */
export async function webgpuSupport(): Promise<{ webgpu: boolean; shaderF16: boolean }> {
  const adapter = await requested();
  return { webgpu: Boolean(adapter), shaderF16: Boolean(adapter?.features.has("shader-f16")) };
}

/** Throws DeviceError where this browser cannot run the variant on WebGPU. */
export function checkWebgpu(
  device: Device,
  dtype: Dtype,
  support: { webgpu: boolean; shaderF16: boolean },
): void {
  if (device !== "webgpu") return;
  if (!support.webgpu) {
    throw new DeviceError("this browser offers no WebGPU adapter", "use device wasm");
  }
  if ((dtype === "fp16" || dtype === "q4f16") && !support.shaderF16) {
    throw new DeviceError(
      `${dtype} needs shader-f16, which this WebGPU adapter lacks`,
      "use dtype q4 or fp32",
    );
  }
}

const SMALLEST_SUBGROUP = 8;
/** Limits that onnxruntime raises on the device that it makes itself. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
];
let narrow: Promise<object> | undefined;

/**
 * A device without subgroups for adapters whose subgroups are very small; undefined where onnxruntime's own will do.
 *
 * The attention kernel of onnxruntime-web 1.30 gives wrong numbers for prompts of more than some 32 tokens with
 * subgroups of 4, as SwiftShader has them, and right ones without the feature.
 */
export async function deviceWithoutSubgroups(): Promise<object | undefined> {
  const adapter = await requested();
  if ((adapter?.info?.subgroupMinSize ?? SMALLEST_SUBGROUP) >= SMALLEST_SUBGROUP || !adapter)
    return undefined;
  const requiredFeatures = ["shader-f16"].filter((feature) => adapter.features.has(feature));
  const limits = LIMITS.map((name) => [name, adapter.limits[name]]).filter(
    ([, limit]) => limit !== undefined,
  );
  narrow ??= adapter.requestDevice({ requiredFeatures, requiredLimits: Object.fromEntries(limits) });
  return narrow;
}

async function requested(): Promise<Adapter | null> {
  const gpu = (globalThis.navigator as { gpu?: Gpu } | undefined)?.gpu;
  return (await gpu?.requestAdapter({ powerPreference: "high-performance" }).catch(() => null)) ?? null;
}
