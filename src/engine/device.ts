/** Names of devices, as command lines and MONAI Label clients write them (protocol 2.1, 3.2). */
import { LimnetError } from "../errors.js";

/** "cuda": the first card, "cuda:1" the second. "auto": CUDA where it is installed, else the CPU. */
export type Device = "auto" | Place;
/** Where networks can be. */
export type Place = "cpu" | Cuda;
type Cuda = "cuda" | `cuda:${number}`;

/** What PyTorch calls a card, such as "NVIDIA RTX A6000:1", "Tesla V100-SXM2-16GB", "Quadro GV100". */
const cardName = /nvidia|geforce|quadro|tesla|titan|\bgrid\b|\b[rg]tx\b|^a\d{2,3}\b/i;

/**
 * Device of a request or of a command line; undefined where none is named (absent, empty). A client may send the list that it was
 * offered: the first of it counts. The name of a card is "cuda", with its number where it has one. Throws bad_params for all else.
 */
export function parseDevice(value: unknown): Device | undefined {
  const name: unknown = Array.isArray(value) && value.length > 0 ? value[0] : value;
  if (name === undefined || name === null || name === "") return undefined;
  if (typeof name === "string" && name.length <= 128) {
    const word = name.trim().toLowerCase();
    if (word === "auto" || word === "cpu") return word;
    const [, card, number] = /^(.+?)(?::(\d{1,2}))?$/.exec(word) ?? [];
    if (card === "cuda" || card === "gpu" || (card !== undefined && cardName.test(card))) return number === undefined || Number(number) === 0 ? "cuda" : `cuda:${Number(number)}`;
  }
  const shown = JSON.stringify(value) ?? String(value);
  throw new LimnetError("bad_params", `"device" must be "auto", "cpu", "cuda", "cuda:1" or the name of an NVIDIA card, not ${shown.slice(0, 60)}.`);
}

/** Number of the card. */
export const cardOf = (place: Cuda): number => Number(place.split(":")[1] ?? 0);
