/** The next sample against a real Orthanc: what another program labelled a moment ago is not handed out. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Leases } from "../../src/apps/pool.js";
import { firstStrategy } from "../../src/apps/strategies.js";
import { DicomWebDatastore, volumeModalities } from "../../src/datastore/dicomweb.js";
import { silentLog } from "../../src/datastore/log.js";
import { LocalDecoder } from "../../src/dicom/codecs/decode.js";
import { DicomLabels } from "../../src/dicom/labels.js";
import { ArchiveClient } from "../../src/dicomweb/client.js";
import { Credentials } from "../../src/dicomweb/credentials.js";
import { ArchiveHttp } from "../../src/dicomweb/http.js";
import { archiveSettings } from "../../src/dicomweb/settings.js";
import { encodeMask } from "../../src/imaging/mask.js";
import { ctSeries, series } from "../archive/series.js";
import { hasOrthanc, type Orthanc, password, startOrthanc, user } from "./orthanc.js";

let folder: string;
let orthanc: Orthanc;
let client: ArchiveClient;
let store: DicomWebDatastore;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-next-sample-"));
  if (!hasOrthanc) return;
  orthanc = await startOrthanc();
  client = new ArchiveClient(new ArchiveHttp(archiveSettings(orthanc.url).settings, new Credentials({ username: user, password })));
  await client.store(ctSeries().map(({ file }) => file));
  const labels = new DicomLabels({ codes: {}, version: "test", clicked: [] });
  store = new DicomWebDatastore({
    client, labels, decoder: new LocalDecoder(), log: silentLog, modalities: volumeModalities,
    cacheFolder: join(folder, "cache"), cacheBytes: 2 ** 30, stateFolder: join(folder, "state"), freshMs: 3_600_000,
  });
  await store.start();
}, 120_000);
afterAll(async () => {
  await store?.close();
  await orthanc?.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

describe.skipIf(!hasOrthanc)("the next sample", () => {
  it("is no image that another program has labelled in the archive a moment ago, though the list of labels is not renewed yet", async () => {
    const leases = new Leases({ seconds: 0 });
    const next = () => leases.serve(store, "first", firstStrategy(), "me", {});
    expect((await next())?.image.id).toBe(series);
    const path = join(folder, "other.nrrd");
    const { shape, geometry } = await store.imageHeader(series);
    await encodeMask(new Uint8Array(shape[0] * shape[1] * shape[2]).fill(1), shape, geometry, ".nrrd", path);
    const object = await new DicomLabels({ codes: {}, version: "test", clicked: [] }).write({ path, info: {} }, (await store.source(series))!);
    expect((await client.store([Buffer.from(object!.bytes)])).stored).toHaveLength(1);
    await delay(1100);
    expect(await store.listUnlabeled()).toEqual([series]);
    expect(await next()).toBeNull();
    expect(await store.listUnlabeled()).toEqual([]);
  }, 120_000);
});
