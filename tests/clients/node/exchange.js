// How a script and its test talk: a case as JSON on stdin, the client's answers as JSON on stdout.
import { readFileSync } from "node:fs";

export const given = JSON.parse(readFileSync(0, "utf8"));

/** What the client says when the server refuses. */
export async function refusal(call) {
  try {
    return `no error but ${JSON.stringify(await call())}`;
  } catch (error) {
    return [error.name, error.message, JSON.stringify(error.body ?? error.data ?? error.responseBody)].join(": ");
  }
}

/** Ends the script's work: the answers by the name of a check, and the version of the package. */
export function tell(name, answers) {
  const lock = JSON.parse(readFileSync(new URL("package-lock.json", import.meta.url), "utf8"));
  const { version } = lock.packages[`node_modules/${name}`];
  console.log("\n" + JSON.stringify({ version, answers }));
}
