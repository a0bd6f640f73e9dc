import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openFake, type FakeArchive } from "../../test/archive/fake.js";
import { ctSeries } from "../../test/archive/series.js";
import { ArchiveClient } from "../dicomweb/client.js";
import { Credentials } from "../dicomweb/credentials.js";
import { ArchiveHttp } from "../dicomweb/http.js";
import { archiveSettings } from "../dicomweb/settings.js";
import { findStudies, sendStudies } from "./send.js";

let folder: string;
let fake: FakeArchive;
let client: ArchiveClient;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-send-"));
  fake = await openFake([]);
  client = new ArchiveClient(new ArchiveHttp(archiveSettings(fake.url).settings, new Credentials({})));
});
afterEach(async () => {
  client.http.close();
  await fake.close();
  await rm(folder, { recursive: true, force: true });
});

describe("a folder that is sent to an archive", () => {
  it("leaves a file out that is cut off, and says so, also where the archive has a good one of its UID", async () => {
    const [first, second] = ctSeries(2);
    await writeFile(join(folder, "a.dcm"), first.file);
    await writeFile(join(folder, "b.dcm"), second.file);
    await writeFile(join(folder, "c.dcm"), first.file.subarray(0, first.file.length - 100));
    const { dicom } = await findStudies(folder);
    const sent = await sendStudies(client, dicom, () => {});
    expect(sent.stored).toBe(2);
    expect([...sent.failed]).toEqual([[expect.stringMatching(/damaged or cut off, and was not sent/), [join(folder, "c.dcm")]]]);
    expect(fake.stored.get(first.uid)!.equals(first.file)).toBe(true);
    expect([...fake.stored.keys()]).toEqual([first.uid, second.uid]);
  });

  it("is not sent at all where every file is damaged", async () => {
    await writeFile(join(folder, "a.dcm"), ctSeries(1)[0].file.subarray(0, 500));
    const sent = await sendStudies(client, (await findStudies(folder)).dicom, () => {});
    expect([sent.stored, sent.failed.size]).toEqual([0, 1]);
    expect(fake.requests).toEqual([]);
  });
});
