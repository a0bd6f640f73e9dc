/** What the pages say can be found: the files and settings that they name, the pages and headings that they link to. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const read = (file: string) => readFileSync(file, "utf8");
const inside = (folder: string) => readdirSync(join(root, folder)).filter((name) => name.endsWith(".md")).map((name) => join(root, folder, name));
const pages = [join(root, "README.md"), join(root, "sample-apps", "radiology", "README.md"), join(root, "training", "README.md"), ...inside("docs"), ...inside("models")];
const files = (folder: string) => readdirSync(join(root, folder), { recursive: true }).map((name) => `${folder}/${name}`);

/** Headings as links name them. */
const anchors = (text: string) => [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) => title.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").trim().replace(/\s/g, "-"));

describe.each(pages.map((page) => [relative(root, page), read(page)] as const))("%s", (page, text) => {
  it("links to files and headings that there are", () => {
    for (const [, link] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link)) continue;
      const [file, heading] = link.split("#");
      const target = file === "" ? join(root, page) : join(root, dirname(page), file);
      expect(existsSync(target), `${page}: ${link}`).toBe(true);
      if (heading !== undefined) expect(anchors(read(target)), `${page}: ${link}`).toContain(heading);
    }
  });

  it("names settings that something reads", () => {
    const code = sources();
    for (const [name] of text.matchAll(/\b(?:LIMNET|MONAI_LABEL)_[A-Z][A-Z_]*[A-Z]\b/g)) {
      if (!page.endsWith("conformance.md")) expect(code.includes(name) || code.includes(name.replace(/^MONAI_LABEL_AUTH_.*/, "MONAI_LABEL_AUTH_")), `${page}: ${name}`).toBe(true);
    }
  });

  it("names options of the command line that there are", () => {
    const code = sources();
    for (const [, option] of text.matchAll(/limnet [a-z_]+[^`\n]*?\s(--[a-z][a-z_-]+)/g)) expect(code, `${page}: ${option}`).toContain(`${option}`);
  });
});

let known: string | undefined;
function sources(): string {
  known ??= [...files("src"), ...files("scripts"), ...files("bench"), ...files("test")].filter((name) => /\.(ts|mjs|py)$/.test(name) && !name.endsWith("test/docs.test.ts")).map((name) => read(join(root, name))).join("\n");
  return known;
}

describe("docs/tour.md", () => {
  const text = read(join(root, "docs", "tour.md"));

  it("names files and rooms where they are", () => {
    const all = [...files("src"), ...files("test"), ...files("training"), ...files("bench"), ...files("docs"), ...files("models")];
    for (const [, name] of text.matchAll(/`([a-z0-9_/-]+(?:\.test)?\.(?:ts|md|json|mjs))`/gi)) {
      expect(all.some((file) => file === name || file.endsWith(`/${name}`)) || /^(journal|object|app|datastore_v2|package)\.json/.test(name), name).toBe(true);
    }
    for (const [, folder] of text.matchAll(/`((?:src|test|docs|bench|training)\/[a-z0-9_/-]*)`/g)) expect(existsSync(join(root, folder)), folder).toBe(true);
  });

  it("names every room of the sources", () => {
    for (const room of readdirSync(join(root, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory())) expect(text, room.name).toMatch(new RegExp(`src/(\\w+, )?${room.name}|src/${room.name}`));
  });
});
