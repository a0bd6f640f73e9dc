import { expect, test } from "vitest";
import { fixtures } from "../../test/fixtures/imaging/make.js";
import { fileDigest } from "./digest.js";
import { knownExtension } from "./extension.js";

test("the digest of a file is that of sha256sum", async () => {
  expect(await fileDigest(`${fixtures}oblique.mha`)).toBe("09affe4e41d93f4a099b68f83d8f682e71a3663b99589f491ff8e2bb53be10d9");
});

test.each([
  ["ct.nii.gz", "ct", ".nii.gz"],
  ["A.b.NII.GZ", "A.b", ".nii.gz"],
  ["ct.seg.nrrd", "ct", ".seg.nrrd"],
  ["ct.nrrd", "ct", ".nrrd"],
  ["ct.tar.gz", "ct.tar", ".gz"],
  ["ct", "ct", ""],
  [".nii.gz", ".nii", ".gz"],
])("%s is split after its base name", (name, base, ext) => {
  expect(knownExtension(name)).toEqual({ base, ext });
});
