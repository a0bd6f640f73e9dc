import { describe, expect, it } from "vitest";
import { html } from "./html.js";

describe("html", () => {
  it("escapes what is put in, in text and in attributes, and lets markup through", () => {
    const cell = html`<td title="${"a\" onload='x'"}">${"<b> & co"}</td>`;
    expect(cell.text).toBe("<td title=\"a&quot; onload=&#39;x&#39;\">&lt;b&gt; &amp; co</td>");
    expect(html`<tr>${[cell, "<", 3]}</tr>`.text).toBe(`<tr>${cell.text}&lt;3</tr>`);
  });
});
