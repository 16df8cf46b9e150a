/** A chosen or dropped file -> its documents, by the reader's own choice or a person's. */

import { bytes } from "./numbers.ts";
import { Problem } from "./problem.ts";
import { FieldNeeded, type Options, type Part } from "./reading/passages.ts";
import { open, read, type Source } from "./reading/source.ts";
import { firstRow } from "./reading/tables.ts";
import { textFields } from "./reading/values.ts";

const LARGEST = 256e6;
/** The reader chooses: usual names of fields and columns. */
export const OWN_CHOICE = "";

export interface Choice {
  readonly value: string;
  readonly label: string;
}

/** What a file may be read as. */
export interface DocumentFile {
  readonly name: string;
  readonly kind: "table" | "csv" | "text";
  /** Fields, columns, or for plain text the ways to split it. */
  readonly choices: readonly Choice[];
  /** The one that is taken first. */
  readonly likely: string;
  /** CSV: whether the first row is read as names. */
  readonly header: boolean;
  /** Throws Problem where that choice does not hold for all of the file. */
  documents(choice: string): Part;
  /** CSV: the same file with its first row read as names, or as a document. */
  withHeader(header: boolean): DocumentFile;
}

/** Reads a file by its ending, else by its content. Throws Problem. */
export async function readFile(file: File): Promise<DocumentFile> {
  if (file.size > LARGEST) {
    throw new Problem(
      `${file.name} has ${bytes(file.size)}; this page reads up to ${bytes(LARGEST)}.`,
      "Split it, or use yesrank rerank on the command line.",
    );
  }
  const source = open(new Uint8Array(await file.arrayBuffer()), file.name);
  const own = ownChoice(source);
  if (own?.passages.length === 0) throw new Problem(`${file.name} is empty.`, "Choose another file.");
  if (source.format === "csv" || source.format === "tsv") {
    const names = firstRow(source.text, source.name, source.format === "tsv" ? "\t" : undefined);
    return ofTable(source, own, names, !unnamed(own));
  }
  if (source.format === "json" || source.format === "jsonl") return ofRecords(source, own);
  return ofText(source);
}

/** What the reader makes of it by itself; undefined where it needs a person's choice. Other problems are thrown. */
function ownChoice(source: Source): Part | undefined {
  try {
    return read(source);
  } catch (error) {
    if (error instanceof FieldNeeded) return undefined;
    throw error;
  }
}

function ofText(source: Source): DocumentFile {
  const file: DocumentFile = {
    name: source.name,
    kind: "text",
    choices: [
      { value: "lines", label: "line" },
      { value: "paragraphs", label: "paragraph" },
      { value: "whole", label: "file" },
    ],
    likely: source.format === "markdown" ? "whole" : "lines",
    header: false,
    documents: (choice) => read(source, { split: choice as Options["split"] }),
    withHeader: () => file,
  };
  return file;
}

function ofRecords(source: Source, own: Part | undefined): DocumentFile {
  const fields = textFields(source.text, source.name, source.format === "jsonl");
  const file: DocumentFile = {
    name: source.name,
    kind: "table",
    ...byName(own, fields),
    header: true,
    documents: (choice) => read(source, choice === OWN_CHOICE ? {} : { field: choice }),
    withHeader: () => file,
  };
  return file;
}

/** names: the cells of the first row, whether they are names or not. */
function ofTable(
  source: Source,
  own: Part | undefined,
  names: readonly string[],
  header: boolean,
): DocumentFile {
  const columns = names.map((name, at) => ({
    value: header ? name : `${at + 1}`,
    label: header ? name : `column ${at + 1}`,
  }));
  const offered =
    header && !unnamed(own) ? byName(own, names) : { choices: columns, likely: columns[0]?.value ?? "" };
  return {
    name: source.name,
    kind: "csv",
    ...offered,
    header,
    documents: (choice) => read(source, choice === OWN_CHOICE ? {} : { field: choice }),
    withHeader: (wanted) => ofTable(source, own, names, wanted),
  };
}

/** Whether the reader took the first row for a document. */
function unnamed(own: Part | undefined): boolean {
  return own !== undefined && own.what.endsWith(" no row of names");
}

/** The names to choose from, in front of them what the reader takes by itself where that is not just one of them. */
function byName(own: Part | undefined, names: readonly string[]): Pick<DocumentFile, "choices" | "likely"> {
  const choices = [...new Set(names)]
    .filter((name) => name !== "")
    .map((name) => ({ value: name, label: name }));
  const label = own ? own.what.replace(/^.*?, (fields? |column )?/, "") : "choose…";
  const likely = choices.find(({ value }) => value === label)?.value ?? OWN_CHOICE;
  return { choices: likely === OWN_CHOICE ? [{ value: OWN_CHOICE, label }, ...choices] : choices, likely };
}
