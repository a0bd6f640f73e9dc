/** The datastore against an archive that misbehaves: a clear error or a correct result, in time, and nothing lost. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DicomWebDatastore, type DicomWebOptions, volumeModalities } from "../../src/datastore/dicomweb.js";
import { silentLog } from "../../src/datastore/log.js";
import { LocalDecoder } from "../../src/dicom/codecs/decode.js";
import { DicomLabels } from "../../src/dicom/labels.js";
import { ArchiveClient } from "../../src/dicomweb/client.js";
import { Credentials } from "../../src/dicomweb/credentials.js";
import { ArchiveHttp } from "../../src/dicomweb/http.js";
import { archiveSettings } from "../../src/dicomweb/settings.js";
import { encodeMask } from "../../src/imaging/mask.js";
import { readLabelLayers, readVolume } from "../../src/imaging/read.js";
import { type FakeArchive, type Mischief, openFake } from "./fake.js";
import { ctSeries, series } from "./series.js";

let folder: string;
let fake: FakeArchive;
let stores: DicomWebDatastore[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-archive-"));
  fake = await openFake();
  stores = [];
});
afterEach(async () => {
  for (const store of stores) await store.close();
  await fake.close();
  await rm(folder, { recursive: true, force: true });
});

async function open(others: Partial<DicomWebOptions> = {}, cache = "cache", state = "state"): Promise<DicomWebDatastore> {
  const { settings } = archiveSettings(fake.url, { deadlines: { answer: 1000, idle: 1000, total: 20_000 } });
  const client = new ArchiveClient(new ArchiveHttp(settings, new Credentials({ username: "u", password: "secret" })));
  const store = new DicomWebDatastore({
    client, labels: new DicomLabels({ codes: {}, version: "test", clicked: [] }), decoder: new LocalDecoder(), log: silentLog, modalities: volumeModalities, freshMs: 0,
    cacheFolder: join(folder, cache), cacheBytes: 2 ** 30, stateFolder: join(folder, state), outbox: { firstMs: 100, longestMs: 200, verifyMs: [0] }, ...others,
  });
  stores.push(store);
  await store.start();
  return store;
}

async function saveLabel(store: DicomWebDatastore) {
  const image = (await store.image(series))!;
  const { shape, geometry } = await store.imageHeader(image.id);
  const mask = new Uint8Array(shape[0] * shape[1] * shape[2]);
  mask.fill(1, 300, 400);
  const file = join(folder, `label-${Math.random()}.nrrd`);
  await encodeMask(mask, shape, geometry, ".nrrd", file);
  return store.saveLabel(series, "final", ".nrrd", file, { label_info: [{ name: "liver", idx: 1 }], client_id: "me" });
}

async function expectWhole(store: DicomWebDatastore) {
  const { path } = (await store.image(series))!;
  const { voxels, shape } = await readVolume(path);
  expect(shape).toEqual([16, 16, 6]);
  expect([0, 256, 5 * 256 + 17].map((at) => voxels[at])).toEqual([0, 100, 501]);
}

describe("a series of an archive", () => {
  it.each<Mischief>(["none", "slow", "cut", "reset", "wrong type", "twice", "one missing", "other order", "silent", "html in the middle", "syntax of its own", "12-bit JPEG"])("is whole where the archive is: %s", async (mischief) => {
    fake.mischief = mischief;
    await expectWhole(await open());
  });

  it.each<[Mischief, RegExp]>([
    ["html", /web page.*--studies/], ["redirects away", /redirects to another host/], ["down", /broke the connection|cannot be reached/],
    ["401 in the middle", /refuses the user or token/], ["one gone", /1 of the 6 images .* do not come/],
  ])("is a clear error where the archive is: %s", async (mischief, sentence) => {
    fake.mischief = mischief;
    const store = await open();
    await expect(store.image(series)).rejects.toThrow(sentence);
    fake.mischief = "none";
    await expectWhole(store);
    // Neither a redirect nor an address in the metadata is followed to another host.
    expect(fake.elsewhere).toEqual([]);
  });

  it("is whole where the archive renews its tokens in the middle, and the new one is in the file", async () => {
    const tokenFile = join(folder, "token");
    await writeFile(tokenFile, "old");
    fake.authorization = "Bearer old";
    const { settings } = archiveSettings(fake.url, { deadlines: { answer: 1000, idle: 1000, total: 20_000 } });
    const store = await open({ client: new ArchiveClient(new ArchiveHttp(settings, new Credentials({ tokenFile }))) });
    expect(await store.listImages()).toEqual([series]);
    fake.authorization = "Bearer new";
    await expect(store.image(series)).rejects.toThrow(/refuses the user or token/);
    await writeFile(tokenFile, "new\n");
    await expectWhole(store);
  });

  it("gives a slice before the others have come", async () => {
    fake.mischief = "slow";
    const store = await open();
    const part = (await store.partial(series, 5, folder))!;
    expect(part.slice).toMatchObject({ k: 5, shape: [16, 16, 6] });
    expect(fake.requests.some(({ line }) => line.includes(`/instances/${fake.instances[5].uid}`))).toBe(true);
    const { voxels, shape } = await readVolume(part.path);
    expect([shape[2], voxels[17]]).toEqual([1, 501]);
    await store.image(series);
    expect(await store.partial(series, 5, folder)).toBeNull();
  });

  it("comes from the cache as long as the archive has the same, and is fetched again when it has not", async () => {
    const store = await open();
    const first = await store.imageDigest(series);
    const wholes = () => fake.requests.filter(({ line }) => line.endsWith(`/series/${series}`)).length;
    await store.image(series);
    expect(wholes()).toBe(1);
    Object.assign(fake, { instances: ctSeries(5) });
    expect(await store.imageDigest(series)).not.toBe(first);
    expect(wholes()).toBe(2);
    fake.mischief = "down";
    expect((await readVolume((await store.image(series))!.path)).shape[2]).toBe(5);
  });

  it("may be fetched by two servers into one cache", async () => {
    const [a, b] = await Promise.all([open({}, "shared", "a"), open({}, "shared", "b")]);
    await Promise.all([expectWhole(a), expectWhole(b)]);
    expect((await a.image(series))!.path).toBe((await b.image(series))!.path);
  });

  it("is refused where the cache has no room for it", async () => {
    const store = await open({ cacheBytes: 1000 });
    await expect(store.image(series)).rejects.toThrow(/--cache-size/);
  });
});

describe("a finished label", () => {
  it("is in the archive when the answer says so, and found again after a restart", async () => {
    const store = await open();
    expect(await saveLabel(store)).toMatchObject({ archive: { state: "stored" } });
    expect(fake.stored.size).toBe(1);
    expect(store.outbox.list()).toEqual([]);
    expect(await store.stats()).toMatchObject({ total: 1, completed: 1 });
    await store.close();
    const label = await (await open()).label(series, "final");
    expect((await readFile(label!.path)).length).toBeGreaterThan(100);
  });

  it("of another program, which names images but no series, is a label of their series", async () => {
    const store = await open();
    const path = join(folder, "other.nrrd");
    const { shape, geometry } = await store.imageHeader(series);
    const mask = Uint8Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, at) => (at % 7 === 0 ? 1 : 0));
    await encodeMask(mask, shape, geometry, ".nrrd", path);
    const object = await new DicomLabels({ codes: {}, version: "test", clicked: [] }).write({ path, info: {} }, (await store.source(series))!);
    fake.segmentation = { series: object!.series, file: Buffer.from(object!.bytes) };
    // Found by its UID at once, and under "final" by a server that has its list anew.
    for (const [one, tag] of [[store, object!.series], [await open({}, "cache", "other"), "final"]] as const) {
      const label = await one.label(series, tag);
      expect((await readLabelLayers(label!.path)).layers[0]).toEqual(mask);
    }
  });

  it("of another program is there when its image is asked for, though the list of labels is not renewed yet", async () => {
    const store = await open({ freshMs: 3_600_000 });
    expect(await store.label(series, "final")).toBeNull();
    expect(await store.stats()).toMatchObject({ completed: 0 });
    const path = join(folder, "other.nrrd");
    const { shape, geometry } = await store.imageHeader(series);
    await encodeMask(new Uint8Array(shape[0] * shape[1] * shape[2]).fill(1), shape, geometry, ".nrrd", path);
    const object = await new DicomLabels({ codes: {}, version: "test", clicked: [] }).write({ path, info: {} }, (await store.source(series))!);
    fake.segmentation = { series: object!.series, file: Buffer.from(object!.bytes) };
    await delay(1100);
    expect((await store.label(series, "final"))?.info).toMatchObject({ SeriesInstanceUID: object!.series });
    expect(await store.stats()).toMatchObject({ completed: 1 });
    // Without an answer of the archive, what is known stays.
    fake.mischief = "down";
    await delay(1100);
    expect(await store.label(series, "final")).not.toBeNull();
  });

  it("keeps how it came about beside it on this server, until it is replaced or removed", async () => {
    const store = await open();
    await saveLabel(store);
    const path = join(folder, "state", "labels", "final", `${series}.provenance.json`);
    await store.saveProvenance(series, "final", { version: 1, objects: ["first"] });
    await store.saveProvenance(series, "final", { version: 1, objects: ["second"] });
    expect(JSON.parse(await readFile(path, "utf8"))).toEqual({ version: 1, objects: ["second"] });
    await store.close();
    const again = await open();
    await again.saveProvenance(series, "final", null);
    await expect(readFile(path)).rejects.toMatchObject({ code: "ENOENT" });
    await again.saveProvenance(series, "final", { version: 1 });
    await again.removeLabel(series, "final");
    await expect(readFile(path)).rejects.toMatchObject({ code: "ENOENT" });
    await expect(again.saveProvenance(series, "../final", {})).rejects.toMatchObject({ code: "bad_identifier" });
    expect((await readdir(join(folder, "state", "labels", "final"))).filter((name) => name.includes("provenance"))).toEqual([]);
  });

  it.each<[Mischief, string, RegExp]>([["stores nothing", "waiting", /does not have it/], ["html", "waiting", /web page/], ["redirects away", "waiting", /redirects/], ["refuses", "refused", /does not take this kind/], ["down", "waiting", /broke|reached/]])(
    "waits in the outbox over a restart where the archive is: %s", async (mischief, state, reason) => {
      const store = await open();
      await store.image(series);
      fake.mischief = mischief;
      const { archive } = (await saveLabel(store)) as { archive: { state: string; reason: string } };
      expect(archive).toMatchObject({ state, reason: expect.stringMatching(reason) });
      expect(await store.label(series, "final")).not.toBeNull();
      await store.close();
      const again = await open();
      expect(again.outbox.list()).toHaveLength(1);
      fake.mischief = "none";
      for (let n = 0; n < 200 && again.outbox.size > 0; n++) await delay(50);
      expect(again.outbox.list()).toEqual([]);
      expect(fake.stored.size).toBe(1);
    });

  it("is sent again, too, where the clock of the day goes slower than timers", async () => {
    const [begun, clock] = [Date.now(), Date.now.bind(Date)];
    const slow = vi.spyOn(Date, "now").mockImplementation(() => begun + Math.floor((clock() - begun) / 2));
    try {
      const store = await open();
      await store.image(series);
      fake.mischief = "html";
      await saveLabel(store);
      fake.mischief = "none";
      for (let n = 0; n < 100 && store.outbox.size > 0; n++) await delay(50);
      expect(store.outbox.list()).toEqual([]);
    } finally {
      slow.mockRestore();
    }
  });
});

describe("the list of a large archive", () => {
  it("comes page by page, each series once", async () => {
    fake.many = 2500;
    const store = await open({ freshMs: 60_000 });
    expect(await store.listImages()).toHaveLength(2500);
    expect((await store.selectSome((id) => id)).length).toBeGreaterThan(0);
  });
});
