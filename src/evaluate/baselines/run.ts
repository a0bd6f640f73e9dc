/** The classical ways, round by round, from the prompts that LIM-Net has got. */
import type { Shape } from "../../imaging/geometry.js";
import { type Round, score, type Task } from "../protocol.js";
import type { Plan } from "../run.js";
import type { BaselineName } from "../ways.js";
import { copyNearest, interpolate } from "./interpolate.js";
import { type Prompts, randomWalker } from "./walker.js";

/** What one round gave the user's tools to work with: all prompts up to it. */
function promptsUpTo(rounds: readonly Round[], n: number, drawn: boolean): Prompts {
  const slices = rounds.slice(0, n + 1).flatMap(({ slice }) => (slice === null ? [] : [slice]));
  return { clicks: drawn ? [] : rounds.slice(0, n + 1).flatMap(({ clicks }) => clicks), drawn: [...new Set(slices)] };
}

/** A classical way, round by round, from the prompts of `rounds`. */
export async function runBaseline(
  name: BaselineName, task: Task, rounds: readonly Round[], plan: Plan, image: { readonly grey: Uint8Array; readonly spacing: Shape }, folder: string,
): Promise<Round[]> {
  const drawn = plan.protocol === "drawn";
  const done: Round[] = [];
  for (const [n, round] of rounds.entries()) {
    const prompts = promptsUpTo(rounds, n, drawn);
    const start = performance.now();
    let mask = done.at(-1)?.mask;
    if (round.slice !== null || mask === undefined) {
      if (name === "walker") mask = await randomWalker(plan.python, image.grey, task, drawn ? prompts : { ...prompts, drawn: [] }, image.spacing, folder);
      else mask = (name === "copy" ? copyNearest : interpolate)(task, prompts.drawn);
    }
    const seconds = { click: 0, propagate: (performance.now() - start) / 1000, fuse: 0 };
    done.push({ ...round, mask, ...score(task, mask), seconds, kept: 0, propagated: 0 });
  }
  return done;
}
