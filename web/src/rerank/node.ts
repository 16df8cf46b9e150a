/** The entry point of Node. */
import { node } from "./nodejs.ts";
import { install } from "./platform.ts";
import { switchReportsOff } from "./reports.ts";

switchReportsOff();
install(node);

export * from "./api.ts";
