import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { transferSyntax } from "./transfer-syntax.js";

describe("the table of docs/dicom.md", () => {
  it("names every transfer syntax that is read, and no other", async () => {
    const page = await readFile(new URL("../../docs/dicom.md", import.meta.url), "utf8");
    const rows = [...page.matchAll(/^\| (.+?) \| (1\.2\.840\.10008\.1\.2[0-9.]*) \|/gm)];
    expect(rows).toHaveLength(20);
    for (const [, name, uid] of rows) expect(transferSyntax(uid)?.name).toBe(name);
    const source = await readFile(new URL("./transfer-syntax.ts", import.meta.url), "utf8");
    expect(source.match(/packing: "/g)).toHaveLength(rows.length);
  });
});
