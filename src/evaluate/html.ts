/** HTML by template: whatever is put in is escaped, unless it is markup already. */

/** Text that is HTML. Only `html` makes it. */
export class Markup {
  constructor(readonly text: string) {}
  toString(): string {
    return this.text;
  }
}

export type Content = string | number | Markup | readonly Content[];

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;", "'": "&#39;" };

function markup(content: Content): string {
  if (content instanceof Markup) return content.text;
  if (typeof content === "object") return content.map(markup).join("");
  return String(content).replace(/[&<>"']/g, (sign) => entities[sign]);
}

/** Fits text and quoted attribute values. Lists are joined without anything between. */
export function html(fixed: TemplateStringsArray, ...contents: readonly Content[]): Markup {
  return new Markup(fixed.map((part, n) => part + (n < contents.length ? markup(contents[n]) : "")).join(""));
}
