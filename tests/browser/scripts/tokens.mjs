// Encodes what golden.py lists; prints how many prompts are the same, and the first that are not.
import { readFileSync } from "node:fs";
import { frame, templateNamed } from "../../../web/dist/prompt.js";
import { PromptEncoder } from "../../../web/dist/tokens.js";

const [tokenizer, golden] = process.argv.slice(2);
const encoder = new PromptEncoder(readFileSync(tokenizer, "utf8"));
const cases = JSON.parse(readFileSync(golden, "utf8"));
const different = cases.filter(({ template, instruction, query, document, maxLength, ids, shared, truncated }) => {
  const encode = encoder.prompts(frame(templateNamed(template), instruction, query), maxLength);
  const got = encode(document);
  return got.ids.join() !== ids.join() || got.shared !== shared || got.truncated !== truncated;
});
const answers = ["yes", "no"].map((word) => encoder.answerId(word));
console.log(JSON.stringify({ cases: cases.length, answers, different: different.slice(0, 5), count: different.length }));
