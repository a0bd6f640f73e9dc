/**
 * 3D Slicer fetches the next sample's image with a plain download that carries no token (protocol 9, number 9). So an image that
 * a logged-in user was just given may be fetched once without one, from the same address, for a short time.
 */
import type { Request } from "express";
import type { User } from "./roles.js";

interface Grant {
  readonly user: User;
  readonly until: number;
}

/** Grants at once; the oldest makes room. */
const most = 10_000;

export class DownloadGrants {
  readonly #milliseconds: number;
  readonly #grants = new Map<string, Grant>();

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
  }

  /** Notes that this client was handed that image. */
  give(req: Request, user: User, image: string): void {
    const key = this.#key(req, image);
    if (key === null) return;
    this.#grants.delete(key);
    this.#grants.set(key, { user, until: Date.now() + this.#milliseconds });
    if (this.#grants.size > most) this.#grants.delete(this.#grants.keys().next().value!);
  }

  /** Uses up the grant for an image; the user to whom it was given, or null. */
  take(req: Request, image: string): User | null {
    const key = this.#key(req, image);
    const grant = key === null ? undefined : this.#grants.get(key);
    if (key === null || !grant) return null;
    this.#grants.delete(key);
    return grant.until > Date.now() ? grant.user : null;
  }

  /** Null where the address is not the client's own: behind a proxy everyone has the same. */
  #key(req: Request, image: string): string | null {
    const proxied = req.headers["x-forwarded-for"] !== undefined || req.headers.forwarded !== undefined;
    if (this.#milliseconds <= 0 || (proxied && !req.app.get("trust proxy"))) return null;
    return `${req.ip} ${image}`;
  }
}
