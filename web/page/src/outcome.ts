/** What a ranking is, wherever it was computed. */

export interface Scored {
  /** Position in the documents given, from 0. */
  readonly index: number;
  readonly score: number;
  readonly logit: number;
  readonly truncated: boolean;
}

/** One finished ranking with what led to it. Times in seconds. */
export interface Outcome {
  readonly query: string;
  /** Empty: the model's own. */
  readonly instruction: string;
  readonly documents: readonly string[];
  /** Where the documents' file has some. */
  readonly ids?: readonly (string | null)[] | undefined;
  readonly where: "server" | "browser";
  readonly model: string;
  readonly precision: string | null;
  readonly device: string | null;
  /** Best first. */
  readonly results: readonly Scored[];
  readonly tokens: number | null;
  readonly seconds: number;
  /** The model was loaded for this ranking; null where it was there. */
  readonly loadSeconds: number | null;
  readonly loadBytes: number | null;
  readonly threads: number | null;
  /** What was read otherwise than it was written, or not at all. */
  readonly notes: readonly string[];
  readonly finished: string;
}

/** What a runner makes of a query and documents. */
export type Run = Pick<
  Outcome,
  | "model"
  | "precision"
  | "device"
  | "results"
  | "tokens"
  | "seconds"
  | "loadSeconds"
  | "loadBytes"
  | "threads"
  | "notes"
>;

export interface Request {
  readonly query: string;
  readonly instruction: string;
  readonly documents: readonly string[];
  readonly ids?: readonly (string | null)[] | undefined;
}

/** How far the work is. total 0: not known. */
export interface Progress {
  readonly stage: "load" | "start" | "score";
  readonly done: number;
  readonly total: number;
}

export interface Watch {
  readonly signal: AbortSignal;
  progress(progress: Progress): void;
}

/** Best first; equal ones in the order given. */
export function bestFirst(results: Scored[]): Scored[] {
  return results.sort((a, b) => b.logit - a.logit || a.index - b.index);
}
