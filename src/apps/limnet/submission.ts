/** A label is saved: how it came about is told, and the work on it counts as approved. */
import type { Submission } from "../app.js";
import { journalJson, roundsJson } from "./report.js";
import type { TaskContext } from "./task.js";

/**
 * Tells `keep` who clicked what, with which weights: the work of the user who saves, else, where that is none (a reviewer, a client
 * without an id) or the label is made of everyone's work, of all users; null where nothing was clicked here. When it is kept, approved
 * work gets a line in its journal that says so, and may be cleaned before other work.
 */
export async function submit({ journals }: TaskContext, { image, user, tag, approved, everyone = false }: Submission, keep: (document: unknown) => Promise<void>): Promise<void> {
  const all = await journals.onImage(image.digest);
  const own = all.filter(({ identity }) => identity.user === user);
  const chosen = own.length > 0 && !everyone ? own : all;
  const objects = await Promise.all(chosen.map(async (journal) => {
    const history = await journal.load();
    return { ...journalJson(journal.identity, history, await journal.entries()), in_force: roundsJson(image.id, journal.identity.label, history) };
  }));
  if (objects.length === 0) return keep(null);
  await keep({ version: 1, image: image.id, image_sha256: image.digest, tag, saved: new Date().toISOString(), saved_by: user, objects });
  if (!approved) return;
  // Without the lock of the object: the line changes no step, and saving must not wait for a round that runs.
  for (const journal of chosen) await journal.append({ who: user, action: "submit", ran: [], note: `A label was saved under the tag "${tag}".` });
}
