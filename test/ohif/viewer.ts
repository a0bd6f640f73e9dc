/** The real OHIF, as the Python package monailabel carries it with MONAI Label's extension built in, in a real browser. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { judgesPython } from "../judges/labels.js";

const program = "/usr/bin/chromium";
/** How long anything of the browser may take: WebGL is computed here, on a machine that does other things. */
const patience = 180_000;

/** Folder with OHIF's index.html; null where the package is not installed. */
function findBuild(): string | null {
  try {
    const where = "import importlib.util; print(importlib.util.find_spec('monailabel').submodule_search_locations[0])";
    const folder = join(execFileSync(judgesPython(), ["-c", where], { encoding: "utf8" }).trim(), "endpoints", "static", "ohif");
    return existsSync(join(folder, "index.html")) ? folder : null;
  } catch {
    return null;
  }
}

export const ohifBuild = existsSync(program) ? findBuild() : null;

export interface Viewer {
  readonly page: Page;
  /** Answers of the server to what the viewer asked, errors and the protocol of MONAI Label only: "200 GET /info/". */
  readonly answers: string[];
  /** Errors that no code of the viewer caught. */
  readonly errors: string[];
  /** Servers other than this one that answered. */
  readonly strangers: string[];
  close(): Promise<void>;
}

export async function openViewer(origin: string): Promise<Viewer> {
  const browser: Browser = await chromium.launch({
    executablePath: program,
    args: ["--no-sandbox", "--disable-gpu", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  page.setDefaultTimeout(patience);
  const viewer = { page, answers: [] as string[], errors: [] as string[], strangers: [] as string[], close: () => browser.close() };
  page.on("pageerror", ({ message }) => viewer.errors.push(message));
  page.on("response", (answer) => {
    const url = new URL(answer.url());
    if (!url.protocol.startsWith("http")) return;
    if (url.origin !== origin) viewer.strangers.push(url.origin);
    if (answer.status() >= 400 || /^\/(info|infer|activelearning|train|login)\b/.test(url.pathname)) viewer.answers.push(`${answer.status()} ${answer.request().method()} ${url.pathname}`);
  });
  return viewer;
}

/** What the test asks the page itself; OHIF shows its services there. */
interface ViewerWindow {
  readonly cornerstoneTools: { annotation: { state: { getAllAnnotations(): unknown[] } } };
  readonly cornerstone: { cache: { _volumeCache?: Map<string, { volume?: { loadStatus?: { loaded: boolean } } }> } };
  readonly services: { segmentationService: { getLabelmapVolume(id: string): { dimensions: [number, number, number]; voxelManager: { getCompleteScalarDataArray(): ArrayLike<number> } } } };
}

/** Resolves when the volume that the viewports show has been loaded. */
export async function volumeLoaded(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const { cache } = (globalThis as unknown as ViewerWindow).cornerstone ?? {};
    return [...(cache?._volumeCache?.values() ?? [])].some(({ volume }) => volume?.loadStatus?.loaded);
  });
}

/** Clicks a little above the middle of the first viewport, once more where the viewer was not ready for it: until it holds a point. */
export async function clickPicture(page: Page): Promise<void> {
  const box = (await page.locator('[data-cy="viewport-grid"] canvas').first().boundingBox())!;
  const points = () => page.evaluate(() => (globalThis as unknown as ViewerWindow).cornerstoneTools.annotation.state.getAllAnnotations().length);
  for (let attempt = 0; attempt < 20; attempt++) {
    await page.mouse.click(box.x + box.width / 2, box.y + 0.48 * box.height);
    await page.waitForTimeout(1500);
    if ((await points()) > 0) return;
  }
  throw new Error("The viewer took no click.");
}

/** The segments that the viewer holds: how many voxels each has, and which is at `voxel` [i, j, k]. */
export function shownSegments(page: Page, voxel: readonly number[]): Promise<{ counts: Record<string, number>; at: number; shape: number[] }> {
  return page.evaluate(([i, j, k]) => {
    const { dimensions, voxelManager } = (globalThis as unknown as ViewerWindow).services.segmentationService.getLabelmapVolume("1");
    const data = voxelManager.getCompleteScalarDataArray();
    const counts: Record<string, number> = {};
    for (let n = 0; n < data.length; n++) counts[data[n]] = (counts[data[n]] ?? 0) + 1;
    return { counts, at: data[i + dimensions[0] * (j + dimensions[1] * k)], shape: [...dimensions] };
  }, voxel as number[]);
}
