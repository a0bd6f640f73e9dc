/** What servers that share a state folder tell each other beside the jobs. Nothing depends on its arrival but who is told how soon. */
export interface Peers {
  /** To all other servers, as far as they can be reached. */
  send(message: unknown): void;
  /** What the others answer; those that do not answer in time are left out. */
  ask(message: unknown): Promise<unknown[]>;
  /** Whom messages and questions of others go to. One at a time. */
  listen(listener: PeerListener): void;
  /** Somebody here looks on, at what has this name; until the function that is returned is called. */
  watch(name: string): () => void;
  /** Whether anybody looks on, at any server. */
  isWatched(name: string): Promise<boolean>;
  close(): void;
}

export interface PeerListener {
  readonly heard: (message: unknown) => void;
  readonly asked: (message: unknown) => Promise<unknown>;
}
