/** Frames and documents -> Prompt. Cuts the document only; user text never becomes control tokens. */
import { Tokenizer } from "@huggingface/tokenizers";
import { InputError, ModelError } from "./errors.ts";
import type { Frame } from "./prompt.ts";

/** One query and one document as token ids. The first `shared` ids are the same for all documents of a call. */
export interface Prompt {
  readonly ids: readonly number[];
  readonly shared: number;
  readonly truncated: boolean;
}

const CHARACTERS_A_TOKEN = 8; // more than in most texts
/** Between two words: a new piece of the tokenizer begins. */
const GAP = /(?<=\p{L})(?=[ ,.;:。，、；：！？]\p{L})/gu;

/**
 * Turns text into ids with two tokenizers made from the same tokenizer.json.
 *
 * Control text is encoded with the added tokens, user text without them: a document that contains `<|im_end|>` is
 * text to be judged, not the end of the turn.
 */
export class PromptEncoder {
  readonly #control: Tokenizer;
  readonly #user: Tokenizer;

  /** tokenizerJson: the content of a tokenizer.json. Throws ModelError where it cannot be read. */
  constructor(tokenizerJson: string) {
    try {
      const spec = JSON.parse(tokenizerJson);
      this.#control = bare(spec);
      this.#user = bare({ ...spec, added_tokens: [] });
    } catch (error) {
      throw new ModelError(`tokenizer.json cannot be read: ${error}`, "copy the model folder again", {
        cause: error,
      });
    }
  }

  /** The id of an answer such as "yes". Throws ModelError where it is not exactly one token. */
  answerId(word: string): number {
    const ids = this.#encodeUser(word);
    if (ids.length === 1 && ids[0] !== undefined) return ids[0];
    throw new ModelError(`the tokenizer spells "${word}" with ${ids.length} tokens; a reranker's has one`);
  }

  /**
   * A function from documents to prompts of at most maxLength ids; only documents are cut.
   * Throws InputError where prefix, instruction, query and suffix alone leave no room for a document.
   */
  prompts(frame: Frame, maxLength: number): (document: string) => Prompt {
    const shared = [...this.#encode(this.#control, frame.prefix), ...this.#encodeUser(frame.head)];
    const suffix = this.#encode(this.#control, frame.suffix);
    const room = maxLength - shared.length - suffix.length;
    if (room < 1) {
      throw new InputError(
        "query",
        `instruction and query take ${shared.length + suffix.length} tokens of maxLength ${maxLength}, ` +
          "which leaves no room for a document",
        "shorten the query or the instruction, or raise maxLength",
      );
    }
    return (document) => {
      const body = this.#encodeDocument(frame.lead + document, room);
      const truncated = body.length > room;
      const ids = [...shared, ...(truncated ? body.slice(0, room) : body), ...suffix];
      return { ids, shared: shared.length, truncated };
    };
  }

  /**
   * The ids of a text, or at least the first room + 1 of them where there are more.
   *
   * Encoding a whole book to keep its first page takes seconds: longer texts are cut between two words first, where
   * the tokenizer's pattern always begins a new piece, so that the ids up to there are those of the whole text.
   */
  #encodeDocument(text: string, room: number): readonly number[] {
    let head = untilGap(text, CHARACTERS_A_TOKEN * (room + 1));
    let body = this.#encodeUser(head);
    while (body.length <= room && head.length < text.length) {
      head = untilGap(text, 4 * head.length);
      body = this.#encodeUser(head);
    }
    return body;
  }

  #encodeUser(text: string): readonly number[] {
    return this.#encode(this.#user, wellFormed(text));
  }

  #encode(tokenizer: Tokenizer, text: string): readonly number[] {
    return text === "" ? [] : tokenizer.encode(text, { add_special_tokens: false }).ids;
  }
}

/** The text up to the first gap between two words after so many characters; all of it where there is none. */
function untilGap(text: string, characters: number): string {
  if (text.length <= characters) return text;
  GAP.lastIndex = characters;
  const gap = GAP.exec(text);
  return gap ? text.slice(0, gap.index) : text;
}

/** A tokenizer that adds, cuts and pads nothing, whatever its file asks for. */
function bare(spec: object): Tokenizer {
  return new Tokenizer({ ...spec, post_processor: null, truncation: null, padding: null }, {});
}

/** Lone surrogates (from broken JSON escapes) cannot be encoded as UTF-8: U+FFFD stands for each, as in Python. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}
