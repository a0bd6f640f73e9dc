/** A scripted session of one user on one object, every kind of action in it; the same seed is the same session. */
import { random } from "../../src/evaluate/bootstrap.js";

export type Action =
  | { readonly do: "click"; readonly foreground: readonly Voxel[]; readonly background: readonly Voxel[] }
  | { readonly do: "undo" | "redo"; readonly steps: number }
  | { readonly do: "lock" | "unlock"; readonly slices: string }
  | { readonly do: "choose"; readonly slice: number; readonly round: number };
type Voxel = readonly [number, number, number];

/** Voxels of the scan of the session (scan.ts). */
export const shape = [48, 48, 20] as const;

/**
 * Clicks on slice after slice, betters some, takes clicks away at the end and in the middle, goes back and forth, locks, unlocks and
 * chooses. What the server must refuse (a click on a locked slice) is not part of it.
 */
export function scriptedSession(seed: number): Action[] {
  const next = random(seed);
  const whole = (from: number, to: number) => from + Math.floor(next() * (to - from + 1));
  const inside = (slice: number): Voxel => [whole(20, 28), whole(20, 28), slice];
  const [a, b, c, d, e] = [10, 6, 14, 4, 16].map(inside);
  const off: Voxel = [whole(2, 6), whole(2, 6), 10];
  const click = (foreground: Voxel[], background: Voxel[] = []): Action => ({ do: "click", foreground, background });
  const lockFrom = whole(7, 8);
  return [
    click([a]),
    click([a], [off]),
    click([a, b], [off]),
    { do: "undo", steps: 1 },
    { do: "redo", steps: 1 },
    { do: "lock", slices: `${lockFrom}-9,12` },
    click([a, b, c], [off]),
    { do: "choose", slice: 11, round: whole(1, 2) },
    click([a, b, c, d], [off]),
    { do: "undo", steps: whole(2, 3) },
    { do: "redo", steps: 1 },
    click([a, b, c], [off]),
    click([a, c], [off]),
    { do: "unlock", slices: "12" },
    click([a, c, e], [off]),
    { do: "undo", steps: 100 },
    { do: "redo", steps: 100 },
  ];
}
