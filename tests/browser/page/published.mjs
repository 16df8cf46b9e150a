// The built files on a static host, in a subfolder, without a server of ours and without its headers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { asked, EXAMPLE, given, onPage, problem, rank, useBrowser } from "./harness.mjs";

useBrowser();
const { published, url } = given;
const MISSING = { allow: /404/ }; // the question for /v1/models, and for models.json where there is none

test("models that models.json names run in the browser", () =>
  onPage(
    published.listed,
    async (page) => {
      assert.ok(await page.isChecked("input[value=browser]"));
      assert.ok(await page.isDisabled("input[value=server]"));
      assert.ok(await page.isHidden("#served-links"));
      await page.selectOption("#dtype", "fp32");
      const shown = await rank(page, EXAMPLE.query, EXAMPLE.documents);
      const expected = await asked(url, "small", EXAMPLE.query, EXAMPLE.documents);
      assert.deepEqual(shown.map((row) => row.index), expected.map((row) => row.index));
      assert.match(await page.innerText("#timing"), /the CPU, 1 thread\./);
    },
    MISSING,
  ));

test("a link to the page may name a model's address", () =>
  onPage(
    `${published.bare}?model=../models/small`,
    async (page) => {
      assert.equal(await page.inputValue("#model"), "url:");
      assert.equal((await rank(page, EXAMPLE.query, EXAMPLE.documents)).length, 3);
      assert.ok((await page.$$eval("#dtype option", (options) => options.length)) > 1);
    },
    MISSING,
  ));

test("an address without a model says what is missing", () =>
  onPage(
    published.bare,
    async (page) => {
      await page.selectOption("#model", "url:");
      await page.fill("#query", "q");
      await page.fill("#documents", "a");
      await page.click("#rank");
      assert.match(await problem(page), /There is no address/);
      await page.fill("#url", new URL("../nothing", published.bare).href);
      await page.click("#rank");
      await page.waitForFunction(() => /no config\.json/.test(document.querySelector("#problem").textContent));
    },
    MISSING,
  ));
