// The page with the model on the server.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { asked, EXAMPLE, finished, given, onPage, problem, rank, rows, sigmoid, useBrowser } from "./harness.mjs";

useBrowser();
const { url, small } = given;

test("example data is ranked as the server ranks it", () =>
  onPage(url, async (page) => {
    assert.ok(await page.isHidden("#key-control"), "no key is asked for where none is needed");
    await page.click("#example");
    await page.click("#rank");
    await finished(page);
    const shown = await rows(page);
    const expected = await asked(url, "builtin", EXAMPLE.query, EXAMPLE.documents);
    assert.deepEqual(shown.map((row) => row.index), expected.map((row) => row.index));
    for (const [place, { index, relevance_score: logit }] of expected.entries()) {
      const row = shown[place];
      assert.equal(row.text, EXAMPLE.documents[index]);
      assert.ok(Math.abs(row.logit - logit) < 0.011, `${row.logit} and ${logit}`);
      assert.ok(Math.abs(Number(row.score) - sigmoid(logit)) < 0.002);
      assert.ok(Math.abs(row.width - sigmoid(logit)) < 0.02, "the bar is as long as the score");
    }
    assert.match(await page.innerText("#timing"), /^3 documents, \d+ tokens in .+ documents\/s\. builtin on the server\.$/);
    assert.match(await page.innerText("#status"), /Ranked 3 documents\. Best: document \d/);
  }));

test("works by keyboard alone, from the first Tab to the results", () =>
  onPage(url, async (page) => {
    const focused = () => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent?.trim().split(/\s/)[0] || document.activeElement?.getAttribute("value"));
    const tab = async () => {
      await page.keyboard.press("Tab");
      return focused();
    };
    const order = [];
    while (order.at(-1) !== "rank" && order.length < 30) order.push(await tab());
    const wanted = ["Skip", "API", "query", "Instruction", "documents", "line", "file", "example", "server", "model", "rank"];
    assert.deepEqual(order.filter((name) => wanted.includes(name)), wanted);
    await page.focus("#query");
    await page.keyboard.type("Who barks?");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter"); // opens the instruction
    assert.ok(await page.isVisible("#instruction"));
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.type("Dogs bark.");
    await page.keyboard.press("Enter");
    await page.keyboard.type("Bananas are yellow.");
    assert.equal(await page.innerText("#count"), "2 documents");
    await page.keyboard.press("Control+Enter");
    await finished(page);
    assert.equal((await rows(page)).length, 2);
    assert.equal(await focused(), "documents", "the focus stays where it was");
  }));

test("every field has a name and the regions are known to screen readers", () =>
  onPage(url, async (page) => {
    const nameless = await page.$$eval("input:not([hidden]), select, textarea, button:not([hidden])", (fields) =>
      fields.filter((field) => !(field.labels?.length || field.textContent.trim() || field.getAttribute("aria-label"))).map((field) => field.id || field.name),
    );
    assert.deepEqual(nameless, []);
    assert.equal(await page.getAttribute("#status", "role"), "status");
    assert.equal(await page.getAttribute("#problem", "role"), "alert");
    assert.equal(await page.getAttribute("html", "lang"), "en");
  }));

test("an instruction of one's own is sent, and the default is shown", () =>
  onPage(url, async (page) => {
    await page.click("summary");
    assert.match(await page.getAttribute("#instruction", "placeholder"), /^Given a web search query/);
    await page.fill("#instruction", "Find documents about fruit");
    const shown = await rank(page, EXAMPLE.query, EXAMPLE.documents);
    const expected = await asked(url, "builtin", EXAMPLE.query, EXAMPLE.documents, "Find documents about fruit");
    assert.deepEqual(shown.map((row) => row.index), expected.map((row) => row.index));
    assert.ok(Math.abs(shown[0].logit - expected[0].relevance_score) < 0.011);
    assert.equal(await page.innerText("#instruction-state"), "your own");
  }));

test("paragraphs as documents", () =>
  onPage(url, async (page) => {
    await page.check("input[value=paragraph]");
    await page.fill("#documents", "one\ntwo\n\nthree");
    assert.equal(await page.innerText("#count"), "2 documents");
    await page.fill("#query", "q");
    await page.click("#rank");
    await finished(page);
    assert.deepEqual((await rows(page)).map((row) => row.text).sort(), ["one\ntwo", "three"]);
  }));

test("text that looks like HTML is shown as text", () =>
  onPage(url, async (page) => {
    const evil = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
    const shown = await rank(page, evil, [evil, "harmless"]);
    assert.ok(shown.some((row) => row.text === evil));
    assert.equal(await page.title(), "yesrank");
  }));

test("a document that was cut is marked", () =>
  onPage(url, async (page) => {
    const shown = await rank(page, "word", ["word ".repeat(20_000).trim(), "a word"]);
    assert.deepEqual(shown.map((row) => row.cut).sort(), [false, true]);
    await page.click(".unfold");
    assert.equal(await page.getAttribute(".unfold", "aria-expanded"), "true");
  }));

test("more results than a screen are shown in parts", () =>
  onPage(url, async (page) => {
    const documents = Array.from({ length: 700 }, (_, index) => `text number ${index}`);
    const shown = await rank(page, "number 5", documents);
    assert.equal(shown.length, 100);
    await page.click("#more");
    const more = await rows(page);
    assert.equal(more.length, 200);
    const logits = more.map((row) => row.logit);
    assert.deepEqual(logits, [...logits].sort((a, b) => b - a));
    assert.match(await page.innerText("#timing"), /^700 documents/);
  }));

test("ranking is cancelled with Escape, and the page goes on", () =>
  onPage(url, async (page) => {
    await page.fill("#query", "q");
    const text = Array.from({ length: 3000 }, (_, index) => `${"many words ".repeat(60)}${index}`).join("\n");
    await page.setInputFiles("#file", { name: "many.txt", mimeType: "text/plain", buffer: Buffer.from(text) });
    await page.waitForSelector("#filed:not([hidden])");
    await page.click("#rank");
    await page.waitForSelector("#cancel:not([hidden])");
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => document.querySelector("#status").textContent.startsWith("Cancelled"));
    assert.ok(await page.isHidden("#work"));
    await page.click("#file-remove");
    assert.equal((await rank(page, "q", ["a", "b"])).length, 2);
  }));

test("results are saved as JSON and as CSV", () =>
  onPage(url, async (page) => {
    const documents = ["=HYPERLINK(1)", 'He said "yes", twice', "Ünï 日本"];
    await rank(page, "q", documents);
    const saved = async (button) => {
      const [download] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
      return { name: download.suggestedFilename(), text: await readFile(await download.path(), "utf8") };
    };
    const json = await saved("#export-json");
    const found = JSON.parse(json.text);
    assert.equal(json.name, "ranking.json");
    assert.deepEqual(found.results.map((row) => documents[row.index]), found.results.map((row) => row.document));
    assert.equal(found.where, "server");
    const csv = await saved("#export-csv");
    assert.equal(csv.name, "ranking.csv");
    assert.ok(csv.text.startsWith("\ufeff\"rank\""));
    assert.ok(csv.text.includes('"\'=HYPERLINK(1)"'));
    assert.ok(csv.text.includes('"He said ""yes"", twice"'));
    assert.equal(csv.text.trim().split("\r\n").length, 4);
  }));

test("what is missing is said in words, with the focus there", () =>
  onPage(url, async (page) => {
    await page.click("#rank");
    assert.match(await problem(page), /There is no query\.\s+Type/);
    assert.equal(await page.evaluate(() => document.activeElement.id), "query");
    await page.keyboard.type("q");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector("#problem").textContent.includes("no documents"));
    assert.equal(await page.evaluate(() => document.activeElement.id), "documents");
  }));

test("a refusal of the server is passed on with its next step", () =>
  onPage(
    small.url,
    async (page) => {
      await page.fill("#query", "q");
      await page.fill("#documents", "a\nb\nc");
      await page.click("#rank");
      assert.match(await problem(page), /The server refused: .*3 documents.*\s+.*fewer/);
    },
    { allow: /413/ },
  ));

test("a server that is gone is named as such", () =>
  onPage(
    url,
    async (page, _, context) => {
      await context.setOffline(true);
      await page.fill("#query", "q");
      await page.fill("#documents", "a");
      await page.click("#rank");
      assert.match(await problem(page), /cannot be reached.\s+See whether yesrank serve/);
    },
    { allow: /ERR_INTERNET_DISCONNECTED/ },
  ));

test("the key is asked for after a 401, and used", () =>
  onPage(
    given.locked.url,
    async (page, seen) => {
      assert.match(await problem(page), /asks for an API key/);
      assert.ok(await page.isVisible("#key"));
      await page.fill("#key", "not the right key");
      await page.fill("#query", EXAMPLE.query);
      await page.fill("#documents", EXAMPLE.documents.join("\n"));
      await page.click("#rank");
      await page.waitForFunction(() => document.querySelector("#problem").textContent.includes("does not know"));
      await page.fill("#key", given.locked.key);
      assert.equal((await rank(page)).length, 3);
      const stored = await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie, location.href]);
      assert.deepEqual(stored.slice(0, 3), [0, 0, ""]);
      assert.ok(!seen.requests.some((request) => request.url().includes(given.locked.key)));
    },
    { allow: /401/ },
  ));

test("the policy stops scripts and connections that are not the page's", () =>
  onPage(
    url,
    async (page) => {
      const stopped = await page.evaluate(async (other) => {
        const seen = [];
        document.addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
        const script = document.createElement("script");
        script.textContent = "document.title = 'run'";
        document.head.append(script);
        await fetch(other).catch(() => undefined);
        const style = document.createElement("style");
        style.textContent = "body { display: none }";
        document.head.append(style);
        await new Promise((resolve) => setTimeout(resolve, 200));
        return [...new Set(seen)].sort();
      }, small.url);
      assert.deepEqual(stopped, ["connect-src", "script-src-elem", "style-src-elem"]);
      assert.equal(await page.title(), "yesrank");
    },
    { allow: /Content Security Policy/ },
  ));
