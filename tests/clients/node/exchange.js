// How a script and its test talk: a case, and the client's answers by the name of a check. See run-cases.js.
import { readFileSync } from "node:fs";

export let given;
export let told;

/** The next script run is asked for this case. */
export function begin(next) {
  given = next;
  told = undefined;
}

/** What the client says when the server refuses. */
export async function refusal(call) {
  try {
    return `no error but ${JSON.stringify(await call())}`;
  } catch (error) {
    return words(error);
  }
}

/** An error as a user sees it, with what caused it. */
export function words(error) {
  const found = [error.name, error.message, JSON.stringify(error.body ?? error.data ?? error.responseBody)].join(": ");
  return error.cause instanceof Error ? `${found}; ${words(error.cause)}` : found;
}

/** Ends the script's work. answers: the name of a check -> what asks the client for it, called if it is wanted. */
export async function tell(name, answers) {
  const lock = JSON.parse(readFileSync(new URL("package-lock.json", import.meta.url), "utf8"));
  const { version } = lock.packages[`node_modules/${name}`];
  const found = {};
  for (const check of given.checks ?? Object.keys(answers)) {
    if (check in answers) found[check] = await answers[check]();
  }
  told = { version, answers: found };
}
