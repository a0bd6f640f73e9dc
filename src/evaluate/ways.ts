/** Ways to come from prompts to a mask, side by side in one evaluation: LIM-Net with each kind of fusion, and what a user has without it. */
import type { FusionKind } from "../engine/protocol.js";

/**
 * "walker": a random walker from the same clicks or outlines (scikit-image). "interpolate": shapes between outlines drawn by hand
 * on the same slices. "copy": the nearest of these outlines on every slice.
 */
export const baselineNames = ["walker", "interpolate", "copy"] as const;

export type BaselineName = (typeof baselineNames)[number];

export type WayName = FusionKind | BaselineName;

/** In the order of tables and rows. */
export function waysOf({ fusions, baselines }: { readonly fusions: readonly FusionKind[]; readonly baselines: readonly BaselineName[] }): WayName[] {
  return [...fusions, ...baselines];
}
