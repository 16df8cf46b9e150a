/** What the browser's WebGPU can do. */
import { DeviceError } from "./errors.ts";
import type { Device, Dtype } from "./types.ts";

interface Gpu {
  requestAdapter(): Promise<{ features: ReadonlySet<string> } | null>;
}

/** webgpu: whether an adapter can be had; shaderF16: whether it computes with 16 bits, as fp16 and q4f16 need. */
export async function webgpuSupport(): Promise<{ webgpu: boolean; shaderF16: boolean }> {
  const gpu = (globalThis.navigator as { gpu?: Gpu } | undefined)?.gpu;
  const adapter = await gpu?.requestAdapter().catch(() => null);
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
