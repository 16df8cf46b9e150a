/** The parts of index.html that scripts touch, each with its type. */

type Kind<T extends Element> = { new (): T; prototype: T };

/** The element of that id. A wrong id or type is a mistake in the page itself. */
export function element<T extends Element>(id: string, kind: Kind<T>): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} #${id}`);
  return found;
}

export const input = (id: string) => element(id, HTMLInputElement);
export const area = (id: string) => element(id, HTMLTextAreaElement);
export const select = (id: string) => element(id, HTMLSelectElement);
export const button = (id: string) => element(id, HTMLButtonElement);
export const html = (id: string) => element(id, HTMLElement);

/** The radio buttons of a name. */
export function radios(name: string): HTMLInputElement[] {
  return [...document.querySelectorAll<HTMLInputElement>(`input[type=radio][name=${name}]`)];
}

export function chosen(name: string): string {
  return radios(name).find((radio) => radio.checked)?.value ?? "";
}

export function choose(name: string, value: string): void {
  for (const radio of radios(name)) radio.checked = radio.value === value;
}

/** A new element with a class and text; text is never read as HTML. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = "",
  text?: string,
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Fills a select. Keeps what was chosen if it is still offered, else takes the first that can be chosen. */
export function offer(list: HTMLSelectElement, options: readonly Option[]): void {
  const before = list.value;
  list.replaceChildren(
    ...options.map(({ value, label, disabled }) => {
      const made = make("option", "", label);
      made.value = value;
      made.disabled = disabled ?? false;
      return made;
    }),
  );
  const usable = options.filter((option) => !option.disabled);
  list.value = (usable.find((option) => option.value === before) ?? usable[0])?.value ?? "";
}

export interface Option {
  readonly value: string;
  readonly label: string;
  readonly disabled?: boolean;
}
