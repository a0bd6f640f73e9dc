/** Who may what: the roles of MONAI Label (protocol 1.2, 1.3), each holding the ones before it. */

/** From the least to the most. Unlike MONAI Label's, a role includes those below it: an admin may what a user may. */
export const roles = ["user", "annotator", "reviewer", "admin"] as const;
export type Role = (typeof roles)[number];

/** What an endpoint asks for; "public" is served to everyone, "login" to whoever is logged in, with roles or without. */
export type Access = Role | "login" | "public";

/** Who asks. */
export interface User {
  /** Stays the same for one person and differs between two: keys rounds and sessions. "" where nobody logs in. */
  readonly id: string;
  readonly username: string;
  readonly email: string;
  readonly name: string;
  readonly roles: readonly Role[];
}

/** Everyone, where login is off: MONAI Label's own stand-in. */
export const nobody: User = { id: "", username: "admin", email: "admin@monailabel.com", name: "UNK", roles };

/** What is noted beside an image or label: `user`, where somebody is logged in (protocol 1.2). */
export function signature({ id, username }: User): { user?: string } {
  return id === "" ? {} : { user: username };
}

/** All roles that come with the given ones. */
export function withLower(held: readonly Role[]): Role[] {
  const highest = Math.max(...held.map((role) => roles.indexOf(role)), -1);
  return roles.slice(0, highest + 1);
}
