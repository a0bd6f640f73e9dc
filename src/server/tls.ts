/** https of the server itself (protocol 1.12, checklist 10.15): the two files are read and judged before anything else is started. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { z } from "zod";
import type { Log } from "../datastore/log.js";

/** Part of the one schema in config.ts. MONAI Label has options for these and no names in the environment. */
export const tlsShape = {
  /** PEM file of the certificate, those that it was signed with behind it; the server speaks https where it is given. */
  sslCertfile: z.string().min(1).optional(),
  /** PEM file of its private key; absent: it is in the file of the certificate. */
  sslKeyfile: z.string().min(1).optional(),
  sslKeyfilePassword: z.string().optional(),
};

export const tlsEnvironment: Record<keyof typeof tlsShape, readonly string[]> = {
  sslCertfile: ["LIMNET_SSL_CERTFILE"],
  sslKeyfile: ["LIMNET_SSL_KEYFILE"],
  sslKeyfilePassword: ["LIMNET_SSL_KEYFILE_PASSWORD"],
};

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly passphrase?: string;
}

type TlsSettings = Readonly<z.infer<z.ZodObject<typeof tlsShape>>>;

/** The certificate and its key; null where http is spoken. Throws an Error whose sentence says which file or password is wrong. */
export async function readTls({ sslCertfile, sslKeyfile, sslKeyfilePassword: passphrase }: TlsSettings, log: Pick<Log, "warn">): Promise<TlsFiles | null> {
  if (sslCertfile === undefined) {
    if (sslKeyfile === undefined) return null;
    throw new Error("A private key alone makes no https: name the file of its certificate with --ssl_certfile.");
  }
  const keyFile = sslKeyfile ?? sslCertfile;
  const keyOption = sslKeyfile === undefined ? "--ssl_certfile (name the file of the key with --ssl_keyfile where it is another)" : "--ssl_keyfile";
  const cert = await read(sslCertfile, "--ssl_certfile");
  const key = await read(keyFile, "--ssl_keyfile");
  const certificate = attempt(() => new X509Certificate(cert), `The file ${sslCertfile} of --ssl_certfile holds no certificate in PEM form (-----BEGIN CERTIFICATE-----).`);
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(key)) throw new Error(`The file ${keyFile} of ${keyOption} holds no private key in PEM form (-----BEGIN PRIVATE KEY-----).`);
  const encrypted = /ENCRYPTED/.test(key);
  if (encrypted && passphrase === undefined) throw new Error(`The private key in ${keyFile} is encrypted. Give its password with LIMNET_SSL_KEYFILE_PASSWORD or --ssl_keyfile_password.`);
  const privateKey = attempt(() => createPrivateKey({ key, ...(passphrase !== undefined && { passphrase }) }),
    encrypted ? `The password does not open the private key in ${keyFile} (LIMNET_SSL_KEYFILE_PASSWORD, --ssl_keyfile_password).` : `The private key in ${keyFile} cannot be read: the file is damaged.`);
  if (!certificate.checkPrivateKey(privateKey)) throw new Error(`The private key in ${keyFile} does not belong to the certificate in ${sslCertfile}.`);
  const files = { cert, key, ...(passphrase !== undefined && { passphrase }) };
  attempt(() => createSecureContext(files), `The certificate in ${sslCertfile} cannot be used`);
  // Clients that look at it are told so by their own programs; those that do not (Slicer, MITK) work on.
  const until = new Date(certificate.validTo);
  if (until.getTime() < Date.now()) log.warn("the certificate of --ssl_certfile is past its time", { until: until.toISOString() });
  return files;
}

async function read(file: string, option: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "does not exist" : code === "EACCES" ? "may not be read by this user" : code === "EISDIR" ? "is a folder" : `cannot be read (${code})`;
    throw new Error(`The file ${file} of ${option} ${why}.`, { cause: error });
  }
}

function attempt<T>(make: () => T, sentence: string): T {
  try {
    return make();
  } catch (error) {
    throw new Error(sentence.endsWith(".") ? sentence : `${sentence}: ${(error as Error).message}.`, { cause: error });
  }
}
