// A page in Chromium and what every test of it checks at its end: no error, no violation of the policy, no other host.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import { chromium } from "../../../web/node_modules/playwright-core/index.mjs";

/** What test_page.py hands over: executable, flags, and the URLs and folders of this file's tests. */
export const given = JSON.parse(process.env.YESRANK_PAGE_TESTS ?? "{}");

const QUIET = [
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
];
export const EXAMPLE = {
  query: "What is the capital of France?",
  documents: [
    "Berlin is the capital of Germany.",
    "Paris is the capital and largest city of France.",
    "France is a country in Western Europe.",
  ],
};
export const LOADS = 120_000;

let browser;

/** One browser for all tests of a file. */
export function useBrowser(flags = []) {
  before(async () => {
    browser = await chromium.launch({
      executablePath: given.executable,
      chromiumSandbox: process.getuid?.() !== 0,
      args: [...QUIET, ...flags],
    });
  });
  after(() => browser.close());
}

/** Opens a page and runs steps on it. allow: a pattern of console errors that are part of the test. */
export async function onPage(url, steps, { allow, prepare, ...options } = {}) {
  const context = await browser.newContext({ serviceWorkers: "block", acceptDownloads: true, ...options });
  context.setDefaultTimeout(60_000); // a busy machine is no error
  const page = await context.newPage();
  const seen = { requests: [], errors: [] };
  const own = new URL(url).origin;
  context.on("request", (request) => seen.requests.push(request));
  context.on("console", (message) => {
    if (message.type() === "error") seen.errors.push(message.text());
  });
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  try {
    await prepare?.(page, context);
    await page.goto(url);
    await page.waitForFunction(() => document.querySelector("#model").options.length > 0);
    await steps(page, seen, context);
    assert.deepEqual(
      seen.errors.filter((text) => !allow?.test(text)),
      [],
    );
    const outside = seen.requests.map((request) => request.url()).filter((each) => !each.startsWith(own) && !each.startsWith("blob:"));
    assert.deepEqual(outside, []);
  } finally {
    await context.close();
  }
}

/** Types and ranks; returns the rows that are shown, best first. */
export async function rank(page, query, documents) {
  if (query !== undefined) await page.fill("#query", query);
  if (documents !== undefined) await page.fill("#documents", documents.join("\n"));
  await page.click("#rank");
  await finished(page);
  return rows(page);
}

/** Waits for the work's end; fails with what the page says where that is a problem. */
export async function finished(page) {
  await page.waitForFunction(() => document.querySelector("#rank").ariaDisabled !== "true", null, { timeout: LOADS });
  const problem = await page.textContent("#problem");
  assert.equal(problem, "");
}

export async function rows(page) {
  const read = (items) =>
    items.map((item) => ({
      text: item.querySelector(".text").textContent,
      score: item.querySelector(".score").textContent,
      logit: Number(item.querySelector(".facts").children[0].textContent.replace("logit ", "").replace("−", "-")),
      index: Number(item.querySelector(".facts").children[1].textContent.replace(/\D/g, "")) - 1,
      cut: item.querySelector(".cut") !== null,
      width: item.querySelector(".bar").getBoundingClientRect().width / item.querySelector(".track").getBoundingClientRect().width,
    }));
  return page.$$eval("#list > li", read);
}

/** What the problem says, once there is one. */
export async function problem(page) {
  await page.waitForSelector("#problem:not([hidden])", { timeout: LOADS });
  return page.innerText("#problem");
}

/** Logits by document, as the server gives them. */
export async function asked(url, model, query, documents, instruction) {
  const response = await fetch(new URL("v1/rerank", url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, query, documents, instruction, raw_scores: true }),
  });
  assert.equal(response.status, 200);
  return (await response.json()).results;
}

export const sigmoid = (logit) => 1 / (1 + Math.exp(-logit));
