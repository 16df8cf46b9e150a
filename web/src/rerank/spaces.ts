/** White space as Python has it, so that both packages read alike. */

/** For patterns: one such character. JavaScript's own class has U+FEFF, and lacks U+001C to U+001F and U+0085. */
export const SPACE: string = String.raw`(?:(?!\ufeff)[\s\x1c-\x1f\x85])`;

const AROUND = new RegExp(`^${SPACE}+|${SPACE}+$`, "g");
const UNSEEN = new RegExp(String.raw`^(?:${SPACE}|[\u200b-\u200d\u2060\ufeff])*$`);

/** The text without white space around it. */
export function strip(text: string): string {
  return text.replaceAll(AROUND, "");
}

/** Whether there is nothing to be seen in it. */
export function isBlank(text: string): boolean {
  return UNSEEN.test(text);
}
