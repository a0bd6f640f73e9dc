/**
 * How a form reaches its parser. busboy waits for ever where a file begins after the closing delimiter of the form and does not end
 * (found by fuzzing): here such a form is cut off, like any other that ends early.
 */
import type { Readable, Writable } from "node:stream";

const lookMs = 50;

/** What a stream knows of its end before anybody has read as far as that. */
type Fed = Readable & { readonly _readableState: { readonly ended: boolean } };

export function feedForm(body: Readable, parser: Writable): void {
  let file: Fed | null = null;
  parser.on("file", (_name: unknown, stream: Fed) => {
    file = stream;
  });
  body.once("end", () => {
    const look = setInterval(() => {
      // What is still to be parsed may hold the end.
      if (parser.writableLength > 0 || file === null || file._readableState.ended) return;
      file.destroy(new Error("Unexpected end of form"));
    }, lookMs);
    parser.once("close", () => clearInterval(look));
  });
  body.pipe(parser);
}
