/** What both entry points export. */
export { DeviceError, InputError, ModelError, YesrankError } from "./errors.ts";
export { DEFAULT_INSTRUCTION } from "./prompt.ts";
export { DEFAULT_MODEL, Reranker, rerank, variants } from "./reranker.ts";
export type * from "./types.ts";
export { webgpuSupport } from "./webgpu.ts";
