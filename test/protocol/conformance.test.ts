/** docs/conformance.md against the routes, both ways, and against the tests that it names. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { allEndpoints } from "../../src/server/app.js";
import { conformanceTable, endpointName, marks, protocolEndpoints } from "../../src/server/conformance.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const page = readFileSync(`${root}/docs/conformance.md`, "utf8");
const lines = page.split("\n");
const listed = page.slice(page.indexOf(marks.start), page.indexOf(marks.end)).split("\n").filter((line) => line.startsWith("| `"));
const remedy = "docs/conformance.md is not what the routes say: run `npm run conformance` and commit the page";
const nameIn = (line: string) => /^\| `([^`]+)`/.exec(line)![1];

/** All test files of the repository by their name without folders and `.test.ts`. */
const tests = new Map(["src", "test"].flatMap((folder) => readdirSync(`${root}/${folder}`, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".test.ts")).map((name) => [name.split("/").at(-1)!.replace(".test.ts", ""), readFileSync(`${root}/${folder}/${name}`, "utf8")] as const)));

describe("docs/conformance.md", () => {
  it("has a line for every route", () => {
    const lineless = allEndpoints().map(endpointName).filter((name) => !listed.some((line) => nameIn(line) === name));
    expect(lineless, remedy).toEqual([]);
  });

  it("has no line without a route, but those that say so", () => {
    const routes = new Set(allEndpoints().map(endpointName));
    const routeless = listed.filter((line) => !routes.has(nameIn(line)) && !line.includes("| not served |")).map(nameIn);
    expect(routeless, remedy).toEqual([]);
    expect(protocolEndpoints.filter((name) => !listed.some((line) => nameIn(line) === name)), remedy).toEqual([]);
  });

  it("says of each what the route says", () => {
    expect(listed, remedy).toEqual(conformanceTable(allEndpoints()).split("\n").slice(2));
  });

  it("has all quirks, and the tests that it names exist", () => {
    const quirks = lines.filter((line) => /^\| \d+ \|/.test(line)).map((line) => line.split(" | "));
    expect(quirks.map(([number]) => Number(number.slice(2)))).toEqual(Array.from({ length: 35 }, (_, n) => n + 1));
    const untrue = quirks.map((cells) => cells.at(-1)!.replace(/ ?\|$/, "")).filter((held) => held !== "").filter((held) => {
      const [, file, title] = /^`([\w-]+)`: (.+)$/.exec(held) ?? [];
      return !title || !tests.get(file)?.includes(title);
    });
    expect(untrue).toEqual([]);
  });
});

describe("the tests of the protocol", () => {
  it("speak of every endpoint of MONAI Label that is served", () => {
    const text = readdirSync(`${root}/test`, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".test.ts") && !name.includes("conformance"))
      .map((name) => readFileSync(`${root}/test/${name}`, "utf8")).join("\n");
    const untested = allEndpoints().filter((one) => protocolEndpoints.includes(endpointName(one))).filter(({ path }) => {
      const pattern = path.split(/\{\w+\}/).map((part) => part.replace(/[.*+?^$()|[\]\\]/g, "\\$&")).join("[^\"'`\\s]+");
      return !new RegExp(`["'\`\\s/]${pattern.replace(/^\//, "/?")}`).test(text);
    });
    expect(untested.map(endpointName)).toEqual([]);
  });
});
