import { expect, it } from "vitest";
import { doubleSettings } from "../../test/engine/double.js";
import type { Place } from "./device.js";
import { Devices, type PlacedNetworks } from "./devices.js";

/** Networks that come out on a device of `machine`, else on the CPU. */
class Fake implements PlacedNetworks {
  readonly settings = doubleSettings;
  device: Place = "cpu";
  closed = false;

  constructor(readonly wanted: Place, readonly machine: readonly Place[], readonly breaks = false) {}

  async warmUp(): Promise<void> {
    if (this.breaks) throw new Error("no memory on the card");
    if (this.machine.includes(this.wanted)) this.device = this.wanted;
  }

  async run(): Promise<never> {
    throw new Error("not run here");
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

async function bench(own: Place, machine: readonly Place[], options: { noCards?: string; breaks?: boolean } = {}) {
  const notes: string[] = [];
  const opened: Fake[] = [];
  const first = new Fake(own, machine);
  await first.warmUp();
  const devices = new Devices<Fake>({
    own: first, noCards: options.noCards, onNote: (note) => notes.push(note),
    open: (place) => {
      opened.push(new Fake(place, machine, options.breaks));
      return opened.at(-1)!;
    },
  });
  return { devices, own: first, opened, notes };
}

it("gives the engine's own networks where no device is named, or theirs", async () => {
  const { devices, own, opened, notes } = await bench("cuda", ["cpu", "cuda"]);
  for (const device of [undefined, "auto", "cuda"] as const) expect(await devices.on(device)).toBe(own);
  expect(opened).toEqual([]);
  expect(notes).toEqual([]);
});

it("opens another device once, however many requests ask for it at the same time", async () => {
  const { devices, own, opened, notes } = await bench("cuda", ["cpu", "cuda", "cuda:1"]);
  const [a, b, c] = await Promise.all([devices.on("cpu"), devices.on("cpu"), devices.on("cuda:1")]);
  expect(a).toBe(b);
  expect([a.device, c.device, own.device]).toEqual(["cpu", "cuda:1", "cuda"]);
  expect(opened).toHaveLength(2);
  expect(await devices.on("cpu")).toBe(a);
  expect(opened).toHaveLength(2);
  expect(notes).toEqual([]);
});

it("falls back to its own where the device is missing, and says so once", async () => {
  const { devices, own, opened, notes } = await bench("cpu", ["cpu"]);
  for (let n = 0; n < 3; n++) expect(await devices.on("cuda")).toBe(own);
  expect(opened).toHaveLength(1);
  expect(opened[0].closed).toBe(true);
  expect(notes).toEqual(['A request asks for the device "cuda", which this machine does not have: such requests run on the CPU.']);
});

it("falls back where a device fails", async () => {
  const { devices, own, notes } = await bench("cuda", ["cpu", "cuda"], { breaks: true });
  expect(await devices.on("cuda:1")).toBe(own);
  expect(notes).toEqual(['A request asks for the device "cuda:1", which failed (no memory on the card): such requests run on "cuda".']);
});

it("opens no card where there is a reason, which it says", async () => {
  const { devices, own, opened, notes } = await bench("cpu", ["cpu", "cuda"], { noCards: "but this server has the CPU alone" });
  expect(await devices.on("cuda")).toBe(own);
  expect(await devices.on("cpu")).toBe(own);
  expect(opened).toEqual([]);
  expect(notes).toEqual(['A request asks for the device "cuda", but this server has the CPU alone: such requests run on the CPU.']);
});
