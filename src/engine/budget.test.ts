import { describe, expect, it } from "vitest";
import { checkFits, greyBytesOf, planMemory, workBytesOf } from "./budget.js";
import { Reservations } from "./reservations.js";

const gigabyte = 2 ** 30;
const header = (ni: number, nj: number, nk: number, dtype = "int16") => ({ shape: [ni, nj, nk] as const, dtype });

describe("the memory budget", () => {
  it("takes 512 x 512 x 600 within 3 GB, and refuses what does not fit with the numbers", () => {
    expect(() => checkFits(header(512, 512, 600), 3 * gigabyte)).not.toThrow();
    expect(() => checkFits(header(512, 512, 2000), 3 * gigabyte)).toThrow(expect.objectContaining({
      code: "out_of_memory", status: 507, message: expect.stringMatching(/512 x 512 x 2000 voxels needs about 3\.9\d GB.*of 3\.00 GB.*--memory/),
    }));
    expect(() => checkFits(header(4, 4, 4), 100 * 2 ** 20)).toThrow(/0\.00 GB are there/);
  });

  it("never plans more than there is", () => {
    for (const total of [0, 2 ** 29, gigabyte, 3 * gigabyte, 64 * gigabyte]) {
      const { workBytes, cacheBytes } = planMemory(total);
      expect(workBytes + cacheBytes).toBeLessThanOrEqual(total);
    }
  });

  it("counts the samples of wide types while they are read", () => {
    expect(workBytesOf(header(100, 100, 100, "float64"))).toBeGreaterThan(workBytesOf(header(100, 100, 100, "uint8")));
  });

  it("ends a waiting job for a more pressing one only where both do not fit, and gives kept volumes what is left", () => {
    const one = header(512, 512, 100);
    const needed = workBytesOf(one) + greyBytesOf(one);
    const rooms: number[] = [];
    const ended: string[] = [];
    const small = new Reservations(1.5 * needed, (room) => rooms.push(room));
    const batch = small.open(({ code }) => ended.push(code));
    batch.reserve(one);
    const click = small.open(() => ended.push("the click"));
    click.reserve(one);
    expect(ended).toEqual(["preempted"]);
    expect(rooms.at(-1)).toBe(1.5 * needed - workBytesOf(one));
    click.release();
    expect(rooms.at(-1)).toBe(1.5 * needed);

    const large = new Reservations(3 * needed, () => {});
    large.open(() => ended.push("no")).reserve(one);
    large.open(() => {}).reserve(one);
    expect(ended).toEqual(["preempted"]);
  });
});
