import { describe, expect, test } from "vitest";
import type { Voxel } from "../../../imaging/geometry.js";
import type { Click } from "./clicks.js";
import { groupRounds, listsAre, orderClicks, roundKeys } from "./plan.js";

/** "3+" is a positive click on slice 3; clicks differ by their column. */
let next = 0;
const click = (text: string): Click => ({ voxel: [next++, 5, Number.parseInt(text, 10)], positive: text.endsWith("+") });
const clicksOf = (text: string) => text.split(" ").map(click);
const lists = (clicks: readonly Click[]) => ({
  positives: clicks.filter(({ positive }) => positive).map(({ voxel }) => voxel),
  negatives: clicks.filter(({ positive }) => !positive).map(({ voxel }) => voxel),
});
describe("rounds", () => {
  test("are runs of consecutive clicks on one slice, along the axis asked for", () => {
    const rounds = groupRounds(clicksOf("3+ 3- 5+ 3+"), 2);
    expect(rounds.map(({ slice, clicks }) => [slice, clicks.length])).toEqual([[3, 2], [5, 1], [3, 1]]);
    const along: Click[] = [{ voxel: [7, 1, 2], positive: true }, { voxel: [7, 4, 9], positive: true }];
    expect(groupRounds(along, 0)).toHaveLength(1);
    expect(groupRounds(along, 1).map(({ slice }) => slice)).toEqual([1, 4]);
    expect(groupRounds([], 2)).toEqual([]);
  });

  test("have names that tell all rounds before apart", () => {
    const clicks = clicksOf("3+ 5+ 3-");
    const keys = roundKeys(groupRounds(clicks, 2));
    expect(roundKeys(groupRounds(clicks.slice(0, 2), 2))).toEqual(keys.slice(0, 2));
    expect(roundKeys(groupRounds(clicks.slice(1), 2))[0]).not.toBe(keys[1]);
    expect(new Set(keys).size).toBe(3);
  });
});

describe("the clicks of a request", () => {
  const history = clicksOf("3+ 5- 5+ 7+ 5-");

  test("that add one go on after the last", () => {
    const more = [...history, click("9-")];
    expect(orderClicks(history, lists(more))).toEqual(more);
  });

  test("that add several put the positive ones first", () => {
    const added = clicksOf("8- 8+ 9- 9+");
    expect(orderClicks(history, lists([...history, ...added]))).toEqual([...history, added[1], added[3], added[0], added[2]]);
  });

  test("that lack one in the middle keep what comes before it", () => {
    expect(orderClicks(history, lists(history.filter((_, n) => n !== 2)))).toEqual([history[0], history[1], history[3], history[4]]);
  });

  test("that have nothing in common with the last ones begin anew, positives first", () => {
    const others = clicksOf("1- 2+");
    expect(orderClicks(history, lists(others))).toEqual([others[1], others[0]]);
  });

  test("are told from others, whatever their order", () => {
    expect(listsAre(history, lists(history))).toBe(true);
    expect(listsAre(history, lists([...history].reverse()))).toBe(false);
    expect(listsAre(history, lists(history.slice(1)))).toBe(false);
    expect(listsAre([], lists([]))).toBe(true);
    expect(listsAre(clicksOf("3+"), lists(clicksOf("3-")))).toBe(false);
  });
});

describe("whatever is clicked, one by one or in groups of one sign", () => {
  test.each(Array.from({ length: 50 }, (_, seed) => seed))("seed %d: any interleaving keeps its order", (seed) => {
    const random = generator(1000 + seed);
    const all = randomClicks(random, 12);
    let history: readonly Click[] = [];
    let done = 0;
    while (done < all.length) {
      let end = done + 1;
      while (end < all.length && all[end].positive === all[done].positive && random() < 0.5) end++;
      history = orderClicks(history, lists(all.slice(0, end)));
      done = end;
    }
    expect(history).toEqual(all);
  });

  test.each(Array.from({ length: 100 }, (_, seed) => seed))("seed %d: the longest start that both lists begin with is kept", (seed) => {
    const random = generator(seed);
    const all = randomClicks(random, 14);
    const history = all.filter(() => random() < 0.7);
    const want = random() < 0.4 ? history.slice(0, Math.floor(random() * (history.length + 1))) : all.filter(() => random() < 0.6);
    const clicks = orderClicks(history, lists(want));
    expect(lists(clicks)).toEqual(lists(want));
    expect(sharedStart(history, clicks)).toBe(longestConsistent(history, want));
  });
});

function generator(seed: number): () => number {
  let state = seed * 2654435761 + 1;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) | 0;
    const mixed = Math.imul(state ^ (state >>> 12), 0x297a2d39);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 4294967296;
  };
}

function randomClicks(random: () => number, count: number): Click[] {
  return Array.from({ length: count }, (_, n) => {
    const voxel: Voxel = [n, 0, Math.floor(random() * 3)];
    return { voxel, positive: random() < 0.6 };
  });
}

function sharedStart(a: readonly Click[], b: readonly Click[]): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n].positive === b[n].positive && String(a[n].voxel) === String(b[n].voxel)) n++;
  return n;
}

/** Longest start of `history` whose positives and negatives begin the wanted lists; the clicks that follow may happen to agree. */
function longestConsistent(history: readonly Click[], want: readonly Click[]): number {
  const { positives, negatives } = lists(want);
  for (let n = history.length; n >= 0; n--) {
    const start = lists(history.slice(0, n));
    const fits = (a: readonly Voxel[], b: readonly Voxel[]) => a.every((voxel, i) => String(voxel) === String(b[i]));
    if (fits(start.positives, positives) && fits(start.negatives, negatives)) return n;
  }
  return 0;
}
