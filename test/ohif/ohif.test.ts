/**
 * The real OHIF with MONAI Label's extension, in Chromium, on a real Orthanc behind the server: a browser without a login comes as far as a
 * mask on its screen. docs/ohif.md tells users the same way.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addToken } from "../../src/server/auth/tokens.js";
import { fixtures, OrthancLab, valueOf } from "../orthanc/lab.js";
import { hasOrthanc } from "../orthanc/orthanc.js";
import { clickPicture, ohifBuild, openViewer, shownSegments, type Viewer, volumeLoaded } from "./viewer.js";

let lab: OrthancLab;
let viewer: Viewer;
let study: string;
let series: string;
let token: string;

const ready = hasOrthanc && ohifBuild !== null;
beforeAll(async () => {
  if (!ready) return;
  lab = await OrthancLab.open();
  await lab.add(join(fixtures, "dicom", "mr_oblique_t2"));
  const tokens = join(lab.folder, "tokens.json");
  token = await addToken(tokens, "jane", ["annotator"]);
  const server = await lab.start({ auth: true, tokens, ohif: ohifBuild });
  const [found] = await lab.search("series?includefield=0020000D");
  [study, series] = [valueOf(found, "0020000D"), valueOf(found, "0020000E")];
  viewer = await openViewer(server.url);
}, 180_000);
afterAll(async () => {
  await viewer?.close();
  await lab?.close();
}, 60_000);

describe.skipIf(!ready)("OHIF with MONAI Label's extension", { timeout: 400_000 }, () => {
  it("opens a study through the proxy after the login page, and nothing that it asks for is refused", async () => {
    const { page, answers } = viewer;
    await page.goto(`${lab.server.url}/ohif/monai-label?StudyInstanceUIDs=${study}`);
    await page.fill("input[name=username]", "jane");
    await page.fill("input[name=password]", token);
    await page.click("button");
    await page.waitForURL(/\/ohif\/monai-label/);
    await page.locator("#monailabelServerURL").waitFor();
    await volumeLoaded(page);
    expect(answers).toEqual(["200 GET /login", "303 POST /login"]);
  });

  it("connects its panel to the server that the page came from, without being told its address", async () => {
    const { page, answers } = viewer;
    expect(await page.inputValue("#monailabelServerURL")).toBe(`${lab.server.url}/`);
    await page.getByText("Confirm and Hide").click();
    await page.locator("#monailabelServerURL").locator("xpath=following::button[1]").click();
    await page.locator('label[for="tab-3"]').click();
    await page.locator("tr.clickable-row:visible", { hasText: "tumour" }).first().waitFor();
    // That nothing is being trained is a 404 in the protocol, too.
    expect(answers.slice(2).sort()).toEqual(["200 GET /info/", "404 GET /train/"]);
  });

  it("clicks into the picture and shows the mask that comes back, the clicked voxel in it", async () => {
    const { page, answers, errors } = viewer;
    await page.locator("tr.clickable-row:visible", { hasText: "tumour" }).first().click();
    await clickPicture(page);
    const asked = page.waitForRequest(/\/infer\//);
    await page.locator('button[title="Run PointPrompts"]').click();
    const request = await asked;
    const { foreground, background } = JSON.parse(/\{.*\}/s.exec(request.postData()!)![0]) as { foreground: number[][]; background: number[][] };
    expect(foreground.length).toBeGreaterThan(0);
    expect(background).toEqual([]);
    expect(request.url()).toContain(`/infer/limnet?image=${series}&output=image`);
    await page.getByText("Running Inference for Point Prompts - Successful").waitFor();
    await expect.poll(async () => (await shownSegments(page, foreground[0])).at, { timeout: 60_000 }).toBeGreaterThan(0);
    const { counts, at, shape } = await shownSegments(page, foreground[0]);
    expect(shape).toEqual([64, 64, 19]);
    expect(Object.keys(counts).sort()).toEqual(["0", String(at)].sort());
    expect(counts[at]).toBeGreaterThan(10);
    expect(counts[at]).toBeLessThan(counts[0]);
    expect(answers.at(-1)).toBe("200 POST /infer/limnet");
    expect(errors).toEqual([]);
  });

  it("goes to the next sample, and at no time has anything from another server", async () => {
    const { page, answers, strangers } = viewer;
    await page.locator('label[for="tab-1"]').click();
    const answered = page.waitForResponse(/\/activelearning\//);
    await page.getByText("Next Sample").first().click();
    expect(await (await answered).json()).toMatchObject({ id: series, StudyInstanceUID: study });
    expect(answers.at(-1)).toMatch(/^200 POST \/activelearning\//);
    expect(strangers).toEqual([]);
  });
});
