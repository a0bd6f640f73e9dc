/**
 * Tokens that `limnet token` gives out: 256 random bits each, of which the file keeps only the sha256. Such a token cannot be
 * guessed, so that a slow password hash would buy nothing and cost every request.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { chmod, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { type Role, roles } from "./roles.js";

const recordSchema = z.object({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/, "letters, digits and . _ @ - only, 64 at most"),
  roles: z.array(z.enum(roles)).min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Times in ISO 8601. */
  created: z.string(),
  expires: z.iso.datetime().nullable().default(null),
});
const fileSchema = z.object({ version: z.literal(1), tokens: z.array(recordSchema) });

export type TokenRecord = z.infer<typeof recordSchema>;

/** What is wrong with the token file or the wanted change, in a sentence. */
export class TokenFileError extends Error {}

const prefix = "limnet_";

/** Where tokens are kept unless a setting says otherwise. */
export function defaultTokenFile(environment: NodeJS.ProcessEnv = process.env): string {
  return join(environment.XDG_CONFIG_HOME || join(homedir(), ".config"), "limnet", "tokens.json");
}

/** True for text that looks like a token of ours, so that nobody else is asked about it. */
export function isLocalToken(text: string): boolean {
  return text.startsWith(prefix);
}

/** Reads the file; no file is no tokens. Throws TokenFileError where it cannot be read or others may write it. */
export async function readTokens(file: string): Promise<TokenRecord[]> {
  let text: string;
  try {
    const { mode } = await stat(file);
    if (process.platform !== "win32" && (mode & 0o077) !== 0) {
      throw new TokenFileError(`Other users of this machine may read or write the token file ${file}. Run: chmod 600 ${file}`);
    }
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    if (error instanceof TokenFileError) throw error;
    throw new TokenFileError(`The token file ${file} cannot be read (${(error as Error).message}).`, { cause: error });
  }
  try {
    return fileSchema.parse(JSON.parse(text)).tokens;
  } catch (cause) {
    throw new TokenFileError(`The token file ${file} is damaged. Restore it, or remove it and make the tokens anew with \`limnet token add\`.`, { cause });
  }
}

/**
 * Makes a token and returns it: the only time that it can be seen.
 * @throws TokenFileError where the name is taken or cannot be used
 */
export async function addToken(file: string, name: string, held: readonly Role[], expires: Date | null = null): Promise<string> {
  const token = prefix + randomBytes(32).toString("base64url");
  const record = { name, roles: [...held], sha256: sha256(token).toString("hex"), created: new Date().toISOString(), expires: expires?.toISOString() ?? null };
  const parsed = recordSchema.safeParse(record);
  if (!parsed.success) throw new TokenFileError(`The token cannot be made: ${parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ")}.`);
  await change(file, (tokens) => {
    if (tokens.some((one) => one.name === name)) throw new TokenFileError(`There is a token "${name}" already. Choose another name, or remove it first with \`limnet token remove ${name}\`.`);
    return [...tokens, parsed.data];
  });
  return token;
}

/** Throws TokenFileError where there is no such token. */
export async function removeToken(file: string, name: string): Promise<void> {
  await change(file, (tokens) => {
    if (!tokens.some((one) => one.name === name)) throw new TokenFileError(`There is no token "${name}" in ${file}. \`limnet token list\` shows those that are there.`);
    return tokens.filter((one) => one.name !== name);
  });
}

/** The record of a token, or null; every record is compared, in constant time. */
export function findToken(tokens: readonly TokenRecord[], token: string, now = Date.now()): TokenRecord | null {
  const hash = sha256(token);
  let found: TokenRecord | null = null;
  for (const one of tokens) if (timingSafeEqual(hash, Buffer.from(one.sha256, "hex"))) found = one;
  return found?.expires && Date.parse(found.expires) <= now ? null : found;
}

/** The new file is whole before it takes the place of the old one; a second writer is turned away. */
async function change(file: string, edit: (tokens: TokenRecord[]) => TokenRecord[]): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.new`;
  const handle = await open(draft, "wx", 0o600).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === "EEXIST" ? `somebody else is changing it; if nobody is, remove ${draft}` : error.message;
    throw new TokenFileError(`The token file ${file} cannot be changed: ${why}.`, { cause: error });
  });
  try {
    const tokens = edit(await readTokens(file));
    await handle.writeFile(`${JSON.stringify({ version: 1, tokens }, null, 2)}\n`);
    await handle.sync();
    await chmod(draft, 0o600);
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

function sha256(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
