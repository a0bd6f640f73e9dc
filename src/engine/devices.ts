/** The networks on each device that requests name: opened when they are first asked for, kept until the end. */
import type { Networks } from "../apps/limnet/networks.js";
import type { Device, Place } from "./device.js";

/** Networks that know where they are once they are warm. */
export interface PlacedNetworks extends Networks {
  readonly device: Place;
  warmUp(): Promise<void>;
  close(): Promise<void>;
}

export interface DevicesOptions<N extends PlacedNetworks> {
  /** The engine's own, warm: for requests that name no device. */
  readonly own: N;
  /** Why no request gets a card, as the end of a sentence; absent where one may. */
  readonly noCards?: string;
  /** Makes the networks for a device; they are warmed here. */
  readonly open: (place: Place) => N;
  readonly onNote?: (sentence: string) => void;
}

export class Devices<N extends PlacedNetworks> {
  readonly #options: DevicesOptions<N>;
  readonly #opened = new Map<Place, Promise<N>>();

  constructor(options: DevicesOptions<N>) {
    this.#options = options;
  }

  /** Networks for a request. Where the device is missing: the engine's own, and the log says so once. */
  on(device: Device = "auto"): Promise<N> {
    const { own } = this.#options;
    if (device === "auto" || device === own.device || (device === "cuda" && own.device !== "cpu")) return Promise.resolve(own);
    let found = this.#opened.get(device);
    if (found === undefined) {
      found = this.#open(device);
      this.#opened.set(device, found);
    }
    return found;
  }

  async #open(place: Place): Promise<N> {
    const { own, noCards, open, onNote } = this.#options;
    const instead = (why: string) => {
      onNote?.(`A request asks for the device "${place}", ${why}: such requests run on ${own.device === "cpu" ? "the CPU" : `"${own.device}"`}.`);
      return own;
    };
    if (noCards !== undefined && place !== "cpu") return instead(noCards);
    const networks = open(place);
    try {
      await networks.warmUp();
    } catch (cause) {
      await networks.close().catch(() => undefined);
      return instead(`which failed (${cause instanceof Error ? cause.message.slice(0, 200) : String(cause)})`);
    }
    if (networks.device === place) return networks;
    await networks.close();
    return instead("which this machine does not have");
  }
}
