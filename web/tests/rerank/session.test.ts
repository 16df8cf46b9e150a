/** What is told where onnxruntime cannot open a session: its texts, as onnxruntime-node 1.30 gives them. */
import { describe, expect, it } from "vitest";
import "../../src/rerank/node.ts";
import { notOpened } from "../../src/rerank/session.ts";
import type { Device } from "../../src/rerank/types.ts";

describe("a session that does not open", () => {
  it.each<[Device, string]>([
    ["cuda", "OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library"],
    ["cuda", "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version"],
    ["webgpu", "webgpu_context.cc:136 Failed to get a WebGPU adapter: No supported adapters\n"],
    ["dml", "no available backend found. ERR: [dml] backend not found."],
  ])("is the device's fault: %s, %s", (device, text) => {
    const told = notOpened("judge", "onnx/model.onnx", device, new Error(text));
    expect(told.name).toBe("DeviceError");
    expect(told.message).toContain(`device ${device} cannot be used here`);
    expect(told.hint).toMatch(/^use device cpu/);
    expect(`${told.message} ${told.hint}`).not.toMatch(/cut short/);
  });

  it.each<[Device, string]>([
    ["cpu", "Failed to load model because protobuf parsing failed."],
    ["webgpu", "[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Load model failed:Protobuf parsing failed."],
    ["cuda", "model_path must not be empty. External data is missing"],
    ["cpu", "something else"],
  ])("is the file's fault: %s, %s", (device, text) => {
    const told = notOpened("judge", "onnx/model.onnx", device, new Error(text));
    expect(told.name).toBe("ModelError");
    expect(told.message).toMatch(/^judge: onnx\/model.onnx cannot be opened/);
  });
});
