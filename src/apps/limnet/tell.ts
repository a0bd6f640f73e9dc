/** The event that says what is in force now. */
import type { ObjectEvent } from "../app.js";
import type { Desk } from "./desk.js";
import type { ObjectIdentity } from "./object-folder.js";
import { objectName } from "./journals.js";
import type { ObjectState } from "./object-request.js";
import { type Action, type History, stepInForce } from "./rounds/history.js";
import { heldAfter, roundsOf } from "./rounds/program.js";

/** `action`: what led there; null where nothing happened, at the beginning of a stream. */
export function stateEvent(action: Action | null, history: History): ObjectEvent {
  const ops = stepInForce(history)?.ops ?? [];
  return {
    event: "state",
    data: { action, head: roundsOf(ops).length, locked: heldAfter(ops), undo: history.head, redo: history.steps.length - history.head },
  };
}

export function tellState(desk: Desk, identity: ObjectIdentity, action: Action, { history }: ObjectState): void {
  desk.tell(objectName(identity), stateEvent(action, history));
}
