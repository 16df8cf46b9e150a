// Opens a page in Chromium and prints what it tells. Input: JSON {executable, url, flags, seconds} on stdin.
// Every request to another host than the page's is refused and told.
import { readFileSync } from "node:fs";
import { chromium } from "../../../web/node_modules/playwright-core/index.mjs";

const { executable, url, flags = [], seconds = 120 } = JSON.parse(readFileSync(0, "utf8"));
const quiet = [
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
];
const root = process.getuid?.() === 0;
const browser = await chromium.launch({
  executablePath: executable,
  chromiumSandbox: !root,
  args: [...quiet, ...flags],
});
const told = { result: null, logs: [], errors: [], outside: [], requests: [] };
try {
  const page = await (await browser.newContext({ serviceWorkers: "block" })).newPage();
  const own = new URL(url).origin;
  await page.route(
    (address) => address.origin !== own && !["blob:", "data:"].includes(address.protocol),
    (route) => {
      told.outside.push(route.request().url());
      return route.abort();
    },
  );
  page.on("console", (line) => told.logs.push(line.text()));
  page.on("pageerror", (error) => told.errors.push(String(error)));
  page.on("request", (request) => told.requests.push(request.url()));
  await page.goto(url);
  const ended = () => page.waitForFunction(() => globalThis.result ?? globalThis.failure, null, { timeout: seconds * 1000 });
  const failed = new Promise((_, reject) => page.on("pageerror", reject));
  const value = await Promise.race([ended().then((handle) => handle.jsonValue()), failed]);
  told.result = value;
} catch (error) {
  told.errors.push(String(error?.stack ?? error));
} finally {
  await browser.close();
}
console.log(JSON.stringify(told));
