// Runs a script for each case of those on stdin, in one process. Prints what came of each as one line of JSON.
import { readFileSync } from "node:fs";
import * as exchange from "./exchange.js";

const outcomes = [];
for (const [number, next] of JSON.parse(readFileSync(0, "utf8")).entries()) {
  exchange.begin(next);
  try {
    await import(`./${process.argv[2]}?${number}`);
    outcomes.push(exchange.told);
  } catch (error) {
    outcomes.push({ raised: exchange.words(error) });
  }
}
console.log(`\n${JSON.stringify(outcomes)}`);
