/** What the page and its worker say to each other. */

import type { Device, Dtype } from "../../src/rerank/index.ts";
import type { Progress, Request, Scored } from "./outcome.ts";

/** Where a model's files are: a folder on a web server, or files picked from disk by their paths in the folder. */
export type Place =
  | { readonly kind: "url"; readonly url: string; readonly key: string }
  | { readonly kind: "files"; readonly name: string; readonly files: ReadonlyMap<string, File> };

export type ToWorker =
  | { readonly kind: "variants"; readonly place: Place }
  | { readonly kind: "load"; readonly place: Place; readonly dtype: Dtype; readonly device: Device }
  | { readonly kind: "rank"; readonly request: Request }
  | { readonly kind: "cancel" };

export interface Loaded {
  readonly dtype: Dtype;
  readonly device: Device;
  readonly threads: number;
  readonly bytes: number;
}

export interface Ranked {
  readonly results: readonly Scored[];
  readonly tokens: number;
  readonly notes: readonly string[];
}

export type FromWorker =
  | { readonly kind: "progress"; readonly progress: Progress }
  | { readonly kind: "variants"; readonly variants: readonly Dtype[] }
  | { readonly kind: "loaded"; readonly loaded: Loaded }
  | { readonly kind: "ranked"; readonly ranked: Ranked }
  | { readonly kind: "cancelled" }
  | {
      readonly kind: "failed";
      readonly message: string;
      readonly next: string | undefined;
      readonly status: number;
    };
