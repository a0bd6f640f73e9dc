/** docs/dicom-conformance.md and docs/orthanc.md against the code, and against what a server asks of an archive. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DicomWebDatastore, volumeModalities } from "../../src/datastore/dicomweb.js";
import { silentLog } from "../../src/datastore/log.js";
import { characterSets } from "../../src/dicom/charset.js";
import { LocalDecoder } from "../../src/dicom/codecs/decode.js";
import { DicomLabels } from "../../src/dicom/labels.js";
import { structureSetStorage } from "../../src/dicom/rtstruct/encode.js";
import { labelMapStorage, segmentationStorage } from "../../src/dicom/seg/encode.js";
import { transferSyntaxes } from "../../src/dicom/transfer-syntax.js";
import { ArchiveClient, storedSyntax } from "../../src/dicomweb/client.js";
import { ArchiveHttp } from "../../src/dicomweb/http.js";
import { archiveSettings } from "../../src/dicomweb/settings.js";
import { encodeMask } from "../../src/imaging/mask.js";
import { archiveEnvironment } from "../../src/server/archive-settings.js";
import { limits } from "../../src/server/limits.js";
import { openFake } from "./fake.js";
import { series } from "./series.js";

const read = (name: string) => readFile(join(import.meta.dirname, "..", "..", "docs", name), "utf8");
let page: string;
let orthanc: string;
let folder: string;
beforeAll(async () => {
  [page, orthanc] = [await read("dicom-conformance.md"), await read("orthanc.md")];
  folder = await mkdtemp(join(tmpdir(), "limnet-archive-docs-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Cells of the rows below a heading. */
function table(text: string, heading: string): string[][] {
  const part = text.slice(text.indexOf(`## ${heading}`)).split("\n## ")[0];
  return part.split("\n").filter((line) => line.startsWith("| ")).slice(1).map((line) => line.split(" | ").map((cell) => cell.replace(/^\| ?| ?\|$/g, "").trim()));
}

describe("docs/dicom-conformance.md", () => {
  it("names the transfer syntaxes that have a reader, as docs/dicom.md does", async () => {
    const known = Object.entries(transferSyntaxes).map(([uid, { name }]) => [name, uid]);
    expect(table(page, "Transfer syntaxes read")).toEqual(known);
    expect(table(await read("dicom.md"), "Pixels").map(([name, uid]) => [name, uid]).sort()).toEqual([...known].sort());
  });

  it("names the SOP classes that are written", () => {
    expect(table(page, "SOP classes").map(([, uid]) => uid)).toEqual([segmentationStorage, labelMapStorage, structureSetStorage]);
  });

  it("names the character sets that are read", () => {
    const text = page.slice(page.indexOf("## Character sets")).split("\n## ")[0].replaceAll("\n", " ");
    expect(/Read: (.*?); what/.exec(text)![1].split(", ")).toEqual(characterSets);
  });

  it("names the limits that hold", () => {
    const { settings: { maxInstances, maxInstanceBytes, maxSeriesBytes, maxJsonBytes, deadlines } } = archiveSettings("http://127.0.0.1/dicom-web");
    const gib = (bytes: number) => `${bytes / 2 ** 30} GiB`;
    const said = Object.fromEntries(table(page, "Limits"));
    expect(said).toMatchObject({
      "instances of a series": maxInstances.toLocaleString("en"), "bytes of an instance": gib(maxInstanceBytes), "bytes of a series as it travels": gib(maxSeriesBytes),
      "bytes of one JSON answer": `${maxJsonBytes / 2 ** 20} MiB`, "voxels of a volume": `${limits.maxVoxels.default.toLocaleString("en")} (\`LIMNET_MAX_VOXELS\`)`,
    });
    expect(said["silence of the archive"]).toBe(`${deadlines.idle / 1000} s (\`LIMNET_DICOMWEB_TIMEOUT\`); one answer as a whole ${deadlines.total / 60_000} min`);
    expect(deadlines.answer).toBe(deadlines.idle);
  });

  it("names every transaction that a server uses, and no other", async () => {
    const fake = await openFake();
    const store = new DicomWebDatastore({
      client: new ArchiveClient(new ArchiveHttp(archiveSettings(fake.url).settings)), labels: new DicomLabels({ codes: {}, version: "test", clicked: [] }), decoder: new LocalDecoder(), log: silentLog,
      modalities: volumeModalities, freshMs: 0, cacheFolder: join(folder, "cache"), cacheBytes: 2 ** 30, stateFolder: join(folder, "state"),
    });
    try {
      await store.start();
      await store.stats();
      fake.mischief = "one missing";
      await store.image(series);
      const { shape, geometry } = await store.imageHeader(series);
      const file = join(folder, "label.nrrd");
      await encodeMask(new Uint8Array(shape[0] * shape[1] * shape[2]).fill(1), shape, geometry, ".nrrd", file);
      await store.saveLabel(series, "final", ".nrrd", file, {});
      await store.source(series);
      fake.segmentation = { series: `${series}.99`, file: fake.instances[0].file };
      await store.label(series, fake.segmentation.series).catch(() => {});
    } finally {
      await store.close();
      await fake.close();
    }
    const used = fake.requests.map(({ line }) => {
      const [method, path] = line.replace("/dicom-web", "").split("?")[0].split(" ");
      const last = path.split("/").at(-1)!;
      const service = method === "POST" ? "STOW-RS" : last === "series" || last === "instances" ? "QIDO-RS" : "WADO-RS";
      return `${service} \`${path.replace(/\/[0-9.]{5,}/g, "/{}")}\``;
    });
    expect([...new Set(used)].sort()).toEqual(table(page, "Transactions (PS3.18), limnet as user agent").map(([what]) => what).sort());
    expect(page).toContain(storedSyntax);
  });
});

describe("docs/orthanc.md", () => {
  it("names settings that there are", () => {
    const names = new Set(Object.values(archiveEnvironment).flat());
    const credentials = /^(LIMNET|MONAI_LABEL)_DICOMWEB_(USERNAME|PASSWORD|TOKEN)(_FILE)?$/;
    for (const [name] of orthanc.matchAll(/\b(?:LIMNET|MONAI_LABEL)_[A-Z_]+\b/g)) expect(names.has(name) || credentials.test(name) || name === "LIMNET_DICOM_SEG", name).toBe(true);
    for (const [, modality] of /default ((?:[A-Z]{2,3}(?:, | and )?)+)\./.exec(orthanc)![1].matchAll(/([A-Z]{2,3})/g)) expect(volumeModalities as readonly string[]).toContain(modality);
  });

  it("links to pages that there are", async () => {
    for (const text of [page, orthanc]) for (const [, name] of text.matchAll(/\]\(([a-z-]+\.md)\)/g)) await read(name);
  });
});
