/** docs/security.md says what is so. */
import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { allEndpoints } from "../../src/server/app.js";
import { accessOf } from "../../src/server/endpoint.js";
import { limitTable } from "../../src/server/limits.js";

const text = await readFile(new URL("../../docs/security.md", import.meta.url), "utf8");

it("the table of limits is that of the settings (scripts/limits.ts prints it)", () => {
  const rows = text.split("\n").filter((line) => /^\| `LIMNET_(MAX|REQUESTS|FAILED|HEADERS|REQUEST|STALL|IDLE)_/.test(line));
  expect(rows).toEqual(limitTable());
});

it("names every endpoint that is open to everyone", () => {
  const open = text.split("\n").join(" ").match(/Open to everyone: (.*?), which hold no data/)![1];
  for (const { path } of allEndpoints().filter((one) => accessOf(one) === "public")) expect(open).toContain(`\`${path.replace("{path}", "")}\``);
});
