/** Usage reports of onnxruntime-node, which keeps a device id for them: off before it is loaded, unless asked for. */
import { isMainThread } from "node:worker_threads";
import { DeviceError } from "./errors.ts";

const VARIABLE = "ORT_DISABLE_TELEMETRY"; // read once by onnxruntime, from the process's own environment

/** For the entry point of Node. A value that is set already, to whatever, is its owner's decision. */
export function switchReportsOff(): void {
  if (isMainThread) process.env[VARIABLE] ??= "1"; // a worker has a copy, which onnxruntime does not see
}

/** Throws DeviceError in a worker that was started before anybody had decided. */
export function checkReports(): void {
  if (isMainThread || process.env[VARIABLE] !== undefined || process.platform === "win32") return;
  throw new DeviceError(
    "in this worker onnxruntime-node would send usage reports, and only the main thread can switch them off",
    `import yesrank in the main thread before the worker is started, or start Node with ${VARIABLE}=1 (0 to send)`,
  );
}
