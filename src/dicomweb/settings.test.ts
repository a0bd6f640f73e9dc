import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { archiveSettings } from "./settings.js";

describe("the settings of an archive", () => {
  it("are those that docs/dicom-conformance.md states", () => {
    const page = readFileSync(new URL("../../docs/dicom-conformance.md", import.meta.url), "utf8");
    const { settings } = archiveSettings("http://127.0.0.1:8042/dicom-web/");
    expect(settings.url).toBe("http://127.0.0.1:8042/dicom-web");
    expect(page).toContain(`| instances of a series | ${settings.maxInstances.toLocaleString("en")} |`);
    expect(page).toContain(`| bytes of an instance | ${settings.maxInstanceBytes / 2 ** 30} GiB |`);
    expect(page).toContain(`| bytes of a series as it travels | ${settings.maxSeriesBytes / 2 ** 30} GiB |`);
    expect(page).toContain(`| bytes of one JSON answer | ${settings.maxJsonBytes / 2 ** 20} MiB |`);
    expect(page).toContain(`| silence of the archive | ${settings.deadlines.idle / 1000} s (\`LIMNET_DICOMWEB_TIMEOUT\`); one answer as a whole ${settings.deadlines.total / 60_000} min |`);
  });

  it("split user and password off, and refuse what is no root", () => {
    expect(archiveSettings("http://a:b%40c@host/x").user).toEqual({ username: "a", password: "b@c" });
    expect(archiveSettings("http://a:b@host/x").settings.url).toBe("http://host/x");
    for (const address of ["host/x", "ftp://host", "http://host/x?y=1"]) expect(() => archiveSettings(address)).toThrow();
  });
});
