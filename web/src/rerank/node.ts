/** The entry point of Node. */
import { node } from "./nodejs.ts";
import { install } from "./platform.ts";

install(node);

export * from "./api.ts";
