/** Archives that a client sends, unpacked into a folder of ours: names inside decide nothing but the extension, sizes are bounded. */
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { type Entry, open, type ZipFile } from "yauzl";
import { LimnetError } from "../errors.js";
import { splitUploadName } from "./uploads.js";

export interface UnpackLimits {
  readonly maxSeriesFiles: number;
  /** Bytes of all files unpacked. */
  readonly maxUploadBytes: number;
}

/** What operating systems put beside the files that were meant. */
const litter = /(^|\/)(__MACOSX\/|\.|Thumbs\.db$|desktop\.ini$|DICOMDIR$)/i;

/**
 * Unpacks the files of a zip archive into `folder`; answers their paths in the order of the archive.
 * @throws LimnetError bad_request for what is no zip archive or a damaged one, too_large beyond the limits
 */
export async function unpackZip(archive: string, folder: string, limits: UnpackLimits, signal: AbortSignal): Promise<string[]> {
  let zip: ZipFile;
  try {
    zip = await (promisify(open) as (path: string, options: object) => Promise<ZipFile>)(archive, { lazyEntries: true, autoClose: false });
  } catch (cause) {
    throw new LimnetError("bad_request", "The archive is no zip archive that can be read. Send a .zip of the files.", { cause });
  }
  try {
    const paths: string[] = [];
    let left = limits.maxUploadBytes;
    let entries = 0;
    for await (const entry of entriesOf(zip)) {
      signal.throwIfAborted();
      if (++entries > 4 * limits.maxSeriesFiles) throw new LimnetError("too_large", `The archive holds more than ${entries - 1} entries (LIMNET_MAX_SERIES_FILES).`);
      if (entry.fileName.endsWith("/") || litter.test(entry.fileName)) continue;
      if (paths.length >= limits.maxSeriesFiles) throw new LimnetError("too_large", `The archive holds more than ${limits.maxSeriesFiles} files (LIMNET_MAX_SERIES_FILES).`);
      const path = join(folder, `${String(paths.length + 1).padStart(6, "0")}${splitUploadName(entry.fileName).ext}`);
      left = await extract(zip, entry, path, left, limits, signal);
      paths.push(path);
    }
    return paths;
  } catch (error) {
    if (error instanceof LimnetError || signal.aborted) throw error;
    throw new LimnetError("bad_request", `The archive is damaged (${(error as Error).message}). Send it again.`, { cause: error });
  } finally {
    zip.close();
  }
}

/** The entries one by one, each asked for when the one before is done. */
async function* entriesOf(zip: ZipFile): AsyncGenerator<Entry> {
  for (;;) {
    const entry = await new Promise<Entry | null>((resolve, reject) => {
      const settle = (found: Entry | null, error?: Error) => {
        zip.removeAllListeners();
        if (error) reject(error);
        else resolve(found);
      };
      zip.once("entry", (found: Entry) => settle(found)).once("end", () => settle(null)).once("error", (error: Error) => settle(null, error));
      zip.readEntry();
    });
    if (entry === null) return;
    yield entry;
  }
}

/** Writes one file; answers how many bytes may still come. What an archive says about sizes is not believed, it is counted. */
async function extract(zip: ZipFile, entry: Entry, path: string, left: number, limits: UnpackLimits, signal: AbortSignal): Promise<number> {
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      left -= chunk.length;
      if (left < 0) done(new LimnetError("too_large", `The archive unpacks to more than ${limits.maxUploadBytes} bytes (LIMNET_MAX_UPLOAD_BYTES).`));
      else done(null, chunk);
    },
  });
  const stream = await promisify(zip.openReadStream.bind(zip) as (entry: Entry, done: (error: Error | null, stream: NodeJS.ReadableStream) => void) => void)(entry);
  await pipeline(stream, counted, createWriteStream(path, { flags: "wx" }), { signal });
  return left;
}
