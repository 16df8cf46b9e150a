// Documents that come from files: chosen, dropped, wrong.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { given, onPage, problem, rank, rows, useBrowser } from "./harness.mjs";

useBrowser();
const { url } = given;
const file = (name, text) => ({ name, mimeType: "text/plain", buffer: Buffer.from(text) });
const JSONL = ["Paris is in France.", "Bananas are yellow.", "Rain falls."].map((text, id) => JSON.stringify({ _id: String(id), title: `T${id}`, text })).join("\n");

/** Drops a file as a person does: the browser's own events on the field. */
async function drop(page, name, text) {
  const transfer = await page.evaluateHandle(
    ([name, text]) => {
      const made = new DataTransfer();
      made.items.add(new File([text], name));
      return made;
    },
    [name, text],
  );
  for (const type of ["dragenter", "dragover", "drop"]) await page.dispatchEvent("#documents", type, { dataTransfer: transfer });
}

test("a dropped JSONL file is read, its field found, and ranked", () =>
  onPage(url, async (page) => {
    await drop(page, "docs.jsonl", JSONL);
    await page.waitForSelector("#filed:not([hidden])");
    assert.equal(await page.inputValue("#file-field"), "text");
    assert.equal(await page.innerText("#count"), "3 documents");
    assert.equal(await page.locator("#file-preview li").count(), 3);
    const shown = await rank(page, "capital of France");
    assert.equal(shown.length, 3);
    assert.deepEqual(shown.map((row) => row.index).sort(), [0, 1, 2]);
  }));

test("another field can be chosen", () =>
  onPage(url, async (page) => {
    await drop(page, "docs.jsonl", JSONL);
    await page.selectOption("#file-field", "title");
    assert.deepEqual((await rank(page, "q")).map((row) => row.text).sort(), ["T0", "T1", "T2"]);
    await page.selectOption("#file-field", "text");
    assert.equal((await rank(page, "q")).find((row) => row.index === 1).text, "T1 Bananas are yellow.");
  }));

test("a dropped CSV file with quotes and line breaks", () =>
  onPage(url, async (page) => {
    await drop(page, "docs.csv", 'id;content\n1;"Paris; the ""capital"""\n2;"two\nlines"\n3;\n');
    await page.waitForSelector("#filed:not([hidden])");
    assert.equal(await page.inputValue("#file-field"), "content");
    assert.ok(await page.isChecked("#file-header"));
    assert.match(await page.innerText("#file-note"), /CSV with semicolons, column content; 1 of 3 documents are empty/);
    assert.deepEqual((await rank(page, "q")).map((row) => row.text).sort(), ["", 'Paris; the "capital"', "two\nlines"]);
    await page.uncheck("#file-header");
    assert.equal(await page.innerText("#count"), "4 documents");
  }));

test("a chosen text file, and back to typing", () =>
  onPage(url, async (page) => {
    await page.setInputFiles("#file", file("notes.txt", "one\nmore\n\ntwo\n"));
    await page.waitForSelector("#filed:not([hidden])");
    assert.equal(await page.inputValue("#file-field"), "lines");
    assert.equal(await page.innerText("#count"), "3 documents");
    await page.selectOption("#file-field", "paragraphs");
    assert.equal(await page.innerText("#count"), "2 documents");
    await page.click("#file-remove");
    assert.equal(await page.innerText("#count"), "0 documents");
    assert.equal(await page.evaluate(() => document.activeElement.id), "documents");
  }));

test("a file that cannot be read says why and leaves the rest as it was", () =>
  onPage(url, async (page) => {
    await page.fill("#documents", "kept");
    for (const [name, text, words] of [
      ["a.jsonl", '{"text": "one"}\n{"text": ', /a\.jsonl, line 2 is not JSON/],
      ["b.csv", 'text\n"open', /never closed \(line 2\)/],
      ["c.txt", " ", /c\.txt is empty/],
    ]) {
      await page.setInputFiles("#file", file(name, text));
      await page.waitForFunction((name) => document.querySelector("#problem").textContent.includes(name), name);
      assert.match(await problem(page), words);
    }
    assert.equal(await page.inputValue("#documents"), "kept");
    assert.ok(await page.isHidden("#filed"));
  }));

test("a table whose columns nobody knows asks for one", () =>
  onPage(url, async (page) => {
    await drop(page, "docs.csv", "key,remark\n1,Paris\n2,Rome\n");
    await page.waitForSelector("#filed:not([hidden])");
    assert.equal(await page.innerText("#count"), "0 documents");
    assert.match(await page.innerText("#file-note"), /its first row is: key, remark.*Choose the column/);
    await page.selectOption("#file-field", "remark");
    assert.equal(await page.innerText("#count"), "2 documents");
    if (given.shots) await page.screenshot({ path: join(given.shots, "asked.png") });
  }));

test("a file that misses the field does not replace the page", () =>
  onPage(url, async (page) => {
    const prevented = await page.evaluate(() => {
      const event = new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: new DataTransfer() });
      return !document.querySelector("header").dispatchEvent(event);
    });
    assert.ok(prevented);
  }));

test("the same file can be chosen twice", () =>
  onPage(url, async (page) => {
    for (const text of ["one", "one\ntwo"]) {
      await page.setInputFiles("#file", file("same.txt", text));
      await page.waitForSelector("#filed:not([hidden])");
      const count = text.split("\n").length;
      await page.waitForFunction((count) => document.querySelector("#count").textContent.startsWith(String(count)), count);
      await page.click("#file-remove");
    }
    assert.deepEqual(await rows(page), []);
  }));
