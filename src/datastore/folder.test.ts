import { appendFile, chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { encodeMask } from "../imaging/mask.js";
import { FolderDatastore } from "./folder.js";
import { type Log, silentLog } from "./log.js";

let folder: string;
let warnings: string[];
const open: FolderDatastore[] = [];
const log: Log = { ...silentLog, warn: (message) => warnings.push(message) };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-folder-"));
  warnings = [];
});
afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
  await rm(folder, { recursive: true, force: true });
});

async function store(options: { largeFrom?: number; noteDelay?: number } = {}): Promise<FolderDatastore> {
  const opened = new FolderDatastore(folder, { log, ...options });
  open.push(opened);
  await opened.start();
  return opened;
}

async function put(name: string, text = "x"): Promise<void> {
  const path = join(folder, name);
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, text);
}

const index = async () => JSON.parse(await readFile(join(folder, "datastore_v2.json"), "utf8"));

describe("opening a folder", () => {
  it("makes the layout of MONAI Label in an empty or missing one", async () => {
    await rm(folder, { recursive: true });
    await store();
    expect(await readdir(join(folder, "labels"))).toEqual(["final", "original"]);
    expect(await index()).toEqual({ name: "new-dataset", description: "New Dataset", images_dir: ".", labels_dir: "labels", objects: {} });
  });

  it("finds images on the top level and labels below, and nothing else", async () => {
    await put("a.b.nii.gz");
    await put("c.NII");
    await put("d.mha");
    await put(".hidden.nii");
    await put("notes.txt");
    await put("deeper/e.nii");
    await put("labels/final/a.b.nrrd");
    await put("labels/version_1/c.seg.nrrd");
    await put("labels/final/nobody.nii");
    await put("elsewhere/linked.nii");
    await symlink(join(folder, "elsewhere", "linked.nii"), join(folder, "linked.nii"));
    const opened = await store();
    expect(await opened.listImages()).toEqual(["a.b", "c", "d", "linked"]);
    expect(await opened.listUnlabeled()).toEqual(["c", "d", "linked"]);
    expect(await opened.stats()).toEqual({ total: 4, completed: 1, label_tags: { final: 1, version_1: 1 } });
    expect((await opened.label("c", "version_1"))?.ext).toBe(".seg.nrrd");
    expect(warnings).toEqual(['1 label file(s) under "final" belong to no image and are ignored.']);
  });

  it("reads the index of MONAI Label as it is, and keeps what other programs wrote into it", async () => {
    await put("spleen_10.nii.gz");
    await put("slide.jpg");
    await put("labels/original/spleen_10.nrrd");
    const document = {
      name: "mine", description: "My Dataset", images_dir: ".", labels_dir: "labels", extra: { a: 1 },
      objects: {
        spleen_10: {
          image: { ext: ".nii.gz", info: { ts: 1, name: "spleen_10.nii.gz", strategy: { random: { ts: 2, client_id: "u" } } }, more: true },
          labels: { original: { ext: ".nrrd", info: { model: "segmentation", ts: 3, name: "spleen_10.nrrd" } } },
        },
        slide: { image: { ext: ".jpg", info: {} }, labels: {} },
      },
    };
    await put("datastore_v2.json", JSON.stringify(document));
    const opened = await store();
    expect(await opened.document()).toEqual(document);
    expect(await opened.listImages()).toEqual(["spleen_10"]);
    await opened.updateImageInfo("spleen_10", { seen: 1 });
    const written = await index();
    expect(written).toMatchObject({ name: "mine", extra: { a: 1 }, objects: { slide: { image: { ext: ".jpg" } } } });
    expect(written.objects.spleen_10.image).toMatchObject({ more: true, info: { seen: 1, ts: 1 } });
  });

  it("drops entries whose file is gone", async () => {
    await put("a.nii");
    await put("datastore_v2.json", JSON.stringify({
      objects: {
        a: { image: { ext: ".nii", info: { kept: 1 } }, labels: { final: { ext: ".nii", info: {} } } },
        gone: { image: { ext: ".nii", info: {} }, labels: {} },
      },
    }));
    const { objects } = await (await store()).document();
    expect(objects).toEqual({ a: { image: { ext: ".nii", info: { kept: 1 } }, labels: {} } });
  });

  it.each(["", '{"objects": {"a": {"image"', "[1]", "null", '{"objects": 3}'])("sets a damaged index aside and rebuilds it: %j", async (text) => {
    await put("a.nii");
    await put("labels/final/a.nii");
    await put("datastore_v2.json", text);
    const opened = await store();
    expect(await opened.stats()).toEqual({ total: 1, completed: 1, label_tags: { final: 1 } });
    const aside = (await readdir(folder)).find((name) => name.startsWith("datastore_v2.json.broken-"))!;
    expect(await readFile(join(folder, aside), "utf8")).toBe(text);
    expect(warnings[0]).toMatch(/damaged/);
    expect((await index()).objects.a.labels.final.ext).toBe(".nii");
  });

  it("keeps good entries beside damaged ones, and follows no entry out of the folder", async () => {
    await put("a.nii");
    const entry = { image: { ext: ".nii", info: { kept: 1 } }, labels: {} };
    await put("datastore_v2.json", JSON.stringify({
      objects: { a: entry, "../../etc/passwd": entry, b: { image: { ext: "/../../etc/passwd", info: {} } }, c: null },
    }));
    const { objects } = await (await store()).document();
    expect(objects).toEqual({ a: entry });
    expect((await readdir(folder)).some((name) => name.includes("broken"))).toBe(true);
  });

  it("takes one of two files of the same name, and stays with it", async () => {
    await put("a.nrrd");
    await put("a.nii.gz");
    expect((await (await store()).image("a"))?.ext).toBe(".nii.gz");
  });

  it.runIf(process.getuid?.() !== 0)("serves a folder that it cannot write", async () => {
    await put("a.nii");
    await chmod(folder, 0o555);
    expect(await (await store()).listImages()).toEqual(["a"]);
    await chmod(folder, 0o755);
  });
});

describe("while it runs", () => {
  it("notices files that come, go and change their place", async () => {
    const opened = await store();
    await put("a.nii");
    expect(await opened.listImages()).toEqual(["a"]);
    await put("labels/version_2/a.nii");
    expect((await opened.stats()).label_tags).toEqual({ version_2: 1 });
    await put("labels/version_2/late.nii");
    await put("late.nii");
    expect((await opened.stats()).label_tags).toEqual({ version_2: 2 });
    await rm(join(folder, "labels/version_2"), { recursive: true });
    expect((await opened.stats()).label_tags).toEqual({});
    await rename(join(folder, "a.nii"), join(folder, "b.nii"));
    expect(await opened.listImages()).toEqual(["b", "late"]);
  });

  it("writes the index by itself some time after a file came", async () => {
    await store();
    await put("a.nii");
    await expect.poll(async () => Object.keys((await index()).objects), { timeout: 3000 }).toEqual(["a"]);
  });

  it("takes over an index that another program wrote", async () => {
    await put("a.nii");
    const opened = await store();
    const document = await index();
    document.objects.a.image.info.note = "from outside";
    await put("datastore_v2.json", JSON.stringify(document));
    expect((await opened.image("a"))?.info.note).toBe("from outside");
  });

  it("gives a changed image a new digest, also where its size stays", async () => {
    await put("a.nii", "one");
    const opened = await store();
    const first = await opened.imageDigest("a");
    expect(await opened.imageDigest("a")).toBe(first);
    await put("a.nii", "two");
    await utimes(join(folder, "a.nii"), 1, 1);
    expect(await opened.imageDigest("a")).not.toBe(first);
    await appendFile(join(folder, "a.nii"), "!");
    expect(await opened.imageDigest("a")).not.toBe(first);
    await expect(opened.imageDigest("nobody")).rejects.toMatchObject({ code: "unknown_image" });
  });

  it("reads headers", async () => {
    await encodeMask(new Uint8Array(24), [4, 3, 2], { affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0] }, ".nii.gz", join(folder, "a.nii.gz"));
    const header = await (await store()).imageHeader("a");
    expect(header).toMatchObject({ shape: [4, 3, 2], dtype: "uint8" });
  });

  it("does not forget everything where the folder cannot be read", async () => {
    await put("a.nii");
    const opened = await store();
    await rename(folder, `${folder}.away`);
    await expect(opened.listImages()).rejects.toThrow("ENOENT");
    await rename(`${folder}.away`, folder);
    expect(await opened.listImages()).toEqual(["a"]);
  });
});

describe("writing", () => {
  const incoming = async (text: string) => {
    const path = join(await mkdtemp(join(folder, ".in-")), "file");
    await writeFile(path, text);
    return path;
  };

  it("takes files over, whole, and the index with them", async () => {
    const opened = await store();
    const file = await incoming("image");
    await opened.addImage("a", ".nii", file, { client_id: "u" });
    await opened.saveLabel("a", "final", ".nrrd", await incoming("label"), { note: 1 });
    await expect(stat(file)).rejects.toThrow("ENOENT");
    expect(await readFile((await opened.label("a", "final"))!.path, "utf8")).toBe("label");
    const { objects } = await index();
    expect(objects.a.image.info).toEqual({ client_id: "u", ts: expect.any(Number), name: "a.nii" });
    expect(objects.a.labels.final).toEqual({ ext: ".nrrd", info: { note: 1, ts: expect.any(Number), name: "a.nrrd" } });
    expect((await readdir(folder)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it("keeps apart what many do at once", async () => {
    const opened = await store();
    await Promise.all(Array.from({ length: 20 }, async (_, n) => {
      await opened.addImage(`i${n}`, ".nii", await incoming(`${n}`), {});
      await opened.saveLabel(`i${n}`, n % 2 ? "final" : "original", ".nii", await incoming(`${n}`), { n });
      await opened.updateImageInfo(`i${n}`, { n });
    }));
    expect(await opened.stats()).toEqual({ total: 20, completed: 10, label_tags: { final: 10, original: 10 } });
    const again = await store();
    expect(await again.document()).toEqual(await opened.document());
  });

  it("has names that only look like code for plain names", async () => {
    const opened = await store();
    for (const id of ["__proto__", "constructor", "toString"]) {
      expect(await opened.image(id)).toBeNull();
      await opened.addImage(id, ".nii", await incoming(id), {});
      await opened.saveLabel(id, "__proto__", ".nii", await incoming(id), {});
    }
    expect(await (await store()).listImages()).toEqual(["__proto__", "constructor", "toString"]);
  });

  it("refuses names that are paths, before anything is touched", async () => {
    await put("a.nii");
    const opened = await store();
    const file = await incoming("x");
    for (const id of ["../x", "a/b", "a\\b", "..", ".x", "a\0", "", "x".repeat(201)]) {
      await expect(opened.addImage(id, ".nii", file, {})).rejects.toMatchObject({ code: "bad_identifier" });
      await expect(opened.saveLabel("a", id, ".nii", file, {})).rejects.toMatchObject({ code: "bad_identifier" });
    }
    await expect(opened.addImage("x", ".sh", file, {})).rejects.toMatchObject({ code: "bad_volume" });
    await expect(opened.saveLabel("nobody", "final", ".nii", file, {})).rejects.toMatchObject({ code: "unknown_image" });
    expect(await readFile(file, "utf8")).toBe("x");
  });
});

describe("a large folder", () => {
  const names = ["a", "b", "c", "d"];
  const large = async () => {
    for (const name of names) await put(`${name}.nii`);
    return store({ largeFrom: 3 });
  };

  it("shows our own changes at once", async () => {
    const opened = await large();
    const file = join(folder, ".incoming");
    await writeFile(file, "x");
    await opened.saveLabel("a", "final", ".nii", file, { note: 1 });
    expect((await opened.label("a", "final"))!.info).toMatchObject({ note: 1 });
    expect(await opened.stats()).toMatchObject({ total: 4, completed: 1 });
    expect(await opened.listUnlabeled()).toEqual(["b", "c", "d"]);
    await opened.removeImage("b");
    expect(await opened.image("b")).toBeNull();
    expect(await opened.listImages()).toEqual(["a", "c", "d"]);
    expect(Object.keys((await index()).objects)).toEqual(["a", "c", "d"]);
  });

  it("finds an image that another program put there as soon as it is asked for", async () => {
    const opened = await large();
    await put("new.nii");
    expect((await opened.image("new"))?.ext).toBe(".nii");
    expect(await opened.image("nobody")).toBeNull();
  });

  it("lists what other programs changed a little later", async () => {
    const opened = await large();
    await put("new.nii");
    await put("labels/version_1/a.nii");
    await rm(join(folder, "d.nii"));
    await expect.poll(() => opened.listImages(), { timeout: 20_000 }).toEqual(["a", "b", "c", "new"]);
    await expect.poll(async () => (await opened.stats()).label_tags, { timeout: 20_000 }).toEqual({ version_1: 1 });
  });
});

describe("notes about images", () => {
  it("are seen at once and reach the disk soon", async () => {
    await put("a.nii");
    const opened = await store({ noteDelay: 50 });
    await opened.noteImageInfo("a", { seen: 1 });
    expect((await opened.image("a"))!.info.seen).toBe(1);
    await expect.poll(async () => (await index()).objects.a.image.info.seen, { timeout: 20_000 }).toBe(1);
    await expect(opened.noteImageInfo("nobody", {})).rejects.toMatchObject({ code: "unknown_image" });
  });

  it("outlive an index that another program writes before they are on the disk", async () => {
    await put("a.nii");
    const opened = await store({ noteDelay: 500 });
    await opened.noteImageInfo("a", { mine: 1 });
    const theirs = await index();
    theirs.objects.a.image.info.theirs = 1;
    await writeFile(join(folder, "datastore_v2.json"), JSON.stringify(theirs));
    await opened.close();
    expect((await index()).objects.a.image.info).toMatchObject({ mine: 1, theirs: 1 });
  });

  it("are on the disk when the store is closed", async () => {
    await put("a.nii");
    const opened = await store({ noteDelay: 1e6 });
    await opened.noteImageInfo("a", { seen: 1 });
    await opened.close();
    expect((await index()).objects.a.image.info.seen).toBe(1);
  });
});

describe("the document as text", () => {
  it("is the document, with nothing in it and with much", async () => {
    const opened = await store();
    const text = async () => JSON.parse((await opened.documentText()).toString());
    expect(await text()).toEqual(await opened.document());
    await put("labels/final/i7.nrrd");
    await Promise.all(Array.from({ length: 4500 }, (_, n) => put(`i${n}.nii`)));
    expect(Object.keys((await text()).objects)).toHaveLength(4500);
    expect(await text()).toEqual(await opened.document());
    expect(await text()).toEqual(await index());
  });
});
