/** A short, seeded run; `npm run fuzz` is the long one. */
import { describe, expect, it } from "vitest";
import { type Target, jsonTarget, multipartTarget, niftiTarget, nrrdTarget } from "./targets.js";
import { fuzz } from "./run.js";

const targets: [string, number, () => Promise<Target>][] = [["NIfTI", 1500, niftiTarget], ["NRRD and MetaImage", 1500, nrrdTarget], ["multipart forms", 500, multipartTarget], ["JSON", 500, jsonTarget]];

describe("damaged inputs", () => {
  it.each(targets)("%s: each of %d is taken or refused in words; nothing crashes, nothing stays", async (_name, count, open) => {
    const target = await open();
    try {
      const report = await fuzz(target, { count, seed: 1 });
      expect(report.findings).toEqual([]);
      // Both happen: else the damage is too small or too great to find anything.
      expect(Math.min(report.taken, report.refused)).toBeGreaterThan(count / 50);
      expect(report.growth).toBeLessThan(24e6);
      expect(report.openFiles).toBeLessThan(10);
    } finally {
      await target.close();
    }
  }, 240_000);
});
