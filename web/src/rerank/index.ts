/** The entry point of browsers and their workers. */
import { browser } from "./browser.ts";
import { install } from "./platform.ts";

install(browser);

export * from "./api.ts";
