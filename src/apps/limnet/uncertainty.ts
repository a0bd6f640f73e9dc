/**
 * Strategy `uncertainty`: the image whose saved rounds have the least sure slices.
 *
 * A slice's doubt is 1 - p (1 - d). p is the probability, by the quality network, that the mask which fusion kept is the better of the
 * two (0.5: it could not tell; below where fusion asks for more than 0.5 to keep the older mask). d = 1 - Dice of the masks that the
 * two directions found there, for a slice between two prompts that both reached; else 0. d goes with the mask: where fusion keeps an
 * earlier round's, that round's d stands. Slices that a person clicked or locked have no doubt; a later round's decision on a slice replaces an earlier one's, and a
 * slice on which rounds agree keeps what it has. The uncertainty of an object is the mean over its five most doubtful slices (fewer
 * count as no doubt), that of an image the largest of its objects.
 *
 * Order: images with rounds, the most uncertain first; then images that nobody clicked in, by id. So who asks gets work that is begun
 * and in doubt, and new images when none is left. The same journals give the same order: nothing is drawn.
 */
import { stat } from "node:fs/promises";
import path from "node:path";
import { isJudged, type SliceDecision } from "../../engine/protocol.js";
import type { Pool, Strategy } from "../app.js";
import type { Journal } from "./journal.js";
import { type History, stepInForce } from "./rounds/history.js";

const doubtfulSlices = 5;

/** 0 (sure, or nothing was decided) to 1. Null without rounds in force. */
export function uncertaintyOf(history: History): number | null {
  const step = stepInForce(history);
  if (!step || !step.ops.some(({ op }) => op === "round")) return null;
  const doubts = new Map<number, Doubt>();
  for (const [n, op] of step.ops.entries()) {
    if (op.op === "take" || op.op === "outline") for (const slice of op.slices) doubts.delete(slice);
    if (op.op === "hold") for (const slice of op.slices) doubts.delete(slice);
    if (op.op !== "round") continue;
    for (const decision of history.records.get(step.keys[n])?.slices ?? []) doubts.set(decision.index, doubtOf(decision, doubts.get(decision.index)));
  }
  const worst = [...doubts.values()].map(({ better, directions }) => 1 - better * (1 - directions)).sort((a, b) => b - a).slice(0, doubtfulSlices);
  return worst.reduce((sum, doubt) => sum + doubt, 0) / doubtfulSlices;
}

/** Of the mask in force on a slice, each 0 to 1. */
interface Doubt {
  readonly better: number;
  readonly directions: number;
}

const within = (value: number) => Math.min(1, Math.max(0, value));

function doubtOf(decision: SliceDecision, before: Doubt | undefined): Doubt {
  if (!isJudged(decision)) return { better: 1, directions: 0 };
  const { winner, probability, disagreement = 0 } = decision;
  return { better: within(probability), directions: winner === "previous" ? before?.directions ?? 0 : within(disagreement) };
}

interface Known {
  readonly stamp: string;
  readonly uncertainty: number | null;
}

/** `journals`: of all objects that are stored. */
export function uncertaintyStrategy(journals: () => Promise<readonly Journal[]>): Strategy {
  /** By folder: a journal is read again when it has grown. */
  const known = new Map<string, Known>();
  return {
    description: "Least sure of what was clicked: begun images whose slices the quality network doubts or on which the two directions differ, then new ones",
    async next(pool: Pool) {
      const byImage = new Map<string, Journal[]>();
      for (const journal of await journals()) byImage.set(journal.identity.image, [...byImage.get(journal.identity.image) ?? [], journal]);
      const ids = await pool.listUnlabeled();
      const begun: { id: string; uncertainty: number }[] = [];
      for (const id of ids) {
        const uncertainty = await ofImage(byImage.get(id) ?? [], known);
        if (uncertainty !== null) begun.push({ id, uncertainty });
      }
      for (const { id, uncertainty } of begun.sort((a, b) => b.uncertainty - a.uncertainty)) {
        // Rounds of a file that was replaced since say nothing of the one that is there.
        const digest = await pool.imageDigest(id);
        if (byImage.get(id)!.some(({ identity }) => identity.digest === digest)) return { id, uncertainty: Math.round(uncertainty * 1e4) / 1e4 };
      }
      const fresh = new Set(begun.map(({ id }) => id));
      const id = ids.find((one) => !fresh.has(one)) ?? ids.at(0);
      return id === undefined ? null : { id, uncertainty: null };
    },
  };
}

async function ofImage(journals: readonly Journal[], known: Map<string, Known>): Promise<number | null> {
  let most: number | null = null;
  for (const journal of journals) {
    const uncertainty = await ofObject(journal, known);
    if (uncertainty !== null) most = Math.max(most ?? 0, uncertainty);
  }
  return most;
}

async function ofObject(journal: Journal, known: Map<string, Known>): Promise<number | null> {
  const file = await stat(path.join(journal.folder, "journal.jsonl"), { bigint: true }).catch(() => null);
  if (!file) return null;
  const stamp = `${file.size}.${file.mtimeNs}`;
  const before = known.get(journal.folder);
  if (before?.stamp === stamp) return before.uncertainty;
  const uncertainty = uncertaintyOf(await journal.load());
  known.set(journal.folder, { stamp, uncertainty });
  return uncertainty;
}
