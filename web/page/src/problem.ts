/** What a person is told when something does not work: what happened, and what to do next. */

export class Problem extends Error {
  readonly next: string | undefined;

  constructor(message: string, next?: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "Problem";
    this.next = next;
  }
}

/** The server wants an API key, or another one. */
export class KeyNeeded extends Problem {}

/** The work was stopped by the person. */
export class Cancelled extends Error {}

/** Any error as message and next step. */
export function explain(error: unknown): { message: string; next: string | undefined } {
  if (error instanceof Problem) return { message: error.message, next: error.next };
  const message = error instanceof Error ? error.message : String(error);
  return { message: `Something went wrong: ${message}`, next: "Reload the page and try again." };
}
