/** Which image to label next (protocol 1.5). Only images without a `final` label are served. */
import type { Datastore, Info } from "../datastore/datastore.js";
import type { Strategy } from "./app.js";

/** When a strategy served the image last, in seconds since 1970; 0 for never. The server notes it in the image's info. */
function lastServed(info: Info, strategy: string): number {
  const served = info.strategy as Record<string, { ts?: unknown } | undefined> | undefined;
  const time = Number(served?.[strategy]?.ts ?? 0);
  return Number.isFinite(time) ? time : 0;
}

export interface RandomOptions {
  /** 0..1, as Math.random. */
  readonly random?: () => number;
  /** Seconds since 1970. */
  readonly now?: () => number;
}

/** At random, by the seconds since each image was last served: what two people were just given is unlikely to be given again. */
export function randomStrategy({ random = Math.random, now = () => Date.now() / 1000 }: RandomOptions = {}): Strategy {
  return {
    description: "Random Strategy",
    async next(datastore: Datastore) {
      const ids = (await datastore.listUnlabeled()).sort();
      const time = Math.floor(now());
      const weights = await Promise.all(ids.map(async (id) => {
        const image = await datastore.image(id);
        return image === null ? 0 : Math.max(1, time - lastServed(image.info, "random"));
      }));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      let left = random() * total;
      const chosen = weights.findIndex((weight) => {
        left -= weight;
        return weight > 0 && left < 0;
      });
      return chosen < 0 ? null : { id: ids[chosen], weight: weights[chosen] };
    },
  };
}

/** The first by id. */
export function firstStrategy(): Strategy {
  return {
    description: "Get First Sample",
    async next(datastore: Datastore) {
      const [id] = (await datastore.listUnlabeled()).sort();
      return id === undefined ? null : { id };
    },
  };
}
