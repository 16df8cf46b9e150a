// How it looks: nothing wider than a phone, enough contrast in both schemes, no motion for those who want none.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { given, onPage, rank, useBrowser } from "./harness.mjs";

useBrowser();
const { url, shots } = given;
const PHONE = { width: 360, height: 740 };
const WIDE = { width: 1280, height: 860 };
const LONG = "A document whose text is rather long, so that it takes several lines on a phone and some of them are folded away. ";

async function full(page) {
  await page.click("summary");
  await rank(page, "Which word is the longest?", ["Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverordnung", LONG.repeat(8), "short", `https://example.org/${"a".repeat(200)}`]);
}

/** The weakest contrast among visible texts, by WCAG 2.2's formula. */
function weakest() {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return rgba("white");
  };
  const found = [...document.querySelectorAll("body *")].filter(
    (node) => node.checkVisibility() && !node.matches(":disabled, .skip, option") && [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()),
  );
  const ratios = found.map((node) => {
    const [a, b] = [light(rgba(getComputedStyle(node).color)), light(behind(node))].sort((x, y) => y - x);
    return { ratio: (a + 0.05) / (b + 0.05), what: `${node.tagName}#${node.id}.${node.className} ${node.textContent.slice(0, 30)}` };
  });
  return ratios.sort((x, y) => x.ratio - y.ratio)[0];
}

for (const colorScheme of ["light", "dark"]) {
  for (const [name, viewport] of [["phone", PHONE], ["wide", WIDE]]) {
    test(`${name}, ${colorScheme}: fits and can be read`, () =>
      onPage(
        url,
        async (page) => {
          for (const mode of ["server", "browser"]) {
            await page.check(`input[value=${mode}]`);
            if (mode === "server") await full(page);
            const width = await page.evaluate(() => document.documentElement.scrollWidth);
            assert.ok(width <= viewport.width, `${width} pixels wide`);
            const { ratio, what } = await page.evaluate(weakest);
            assert.ok(ratio >= 4.5, `contrast ${ratio.toFixed(2)} of ${what}`);
            if (shots) await page.screenshot({ path: join(shots, `${name}-${colorScheme}-${mode}.png`), fullPage: true });
          }
          const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
          assert.equal(/rgb\(2\d\d/.test(dark), colorScheme === "light");
        },
        { viewport, colorScheme },
      ));
  }
}

test("what is pressed is large enough for a finger", () =>
  onPage(
    url,
    async (page) => {
      const small = await page.$$eval("button, select, .button, .segments label, summary", (found) =>
        found.filter((node) => node.checkVisibility()).filter((node) => node.getBoundingClientRect().height < 24).map((node) => node.textContent.trim()),
      );
      assert.deepEqual(small, []); // WCAG 2.2, 2.5.8
    },
    { viewport: PHONE },
  ));

test("nothing moves where less motion is wanted", () =>
  onPage(
    url,
    async (page) => {
      const moving = await page.$$eval("*", (found) => found.filter((node) => getComputedStyle(node).transitionDuration !== "0s" && getComputedStyle(node).transitionProperty !== "none").map((node) => node.tagName));
      assert.deepEqual(moving, []);
    },
    { reducedMotion: "reduce" },
  ));
