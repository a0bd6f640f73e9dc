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
  const note = (_name: unknown, stream: Fed) => {
    file = stream;
  };
  parser.on("file", note);
  body.once("end", () => {
    // multer takes every listener off when it is done, its "close" as well: the look must see that by itself, or it goes on for ever.
    const over = () => parser.closed || parser.destroyed || !parser.listeners("file").includes(note);
    if (over()) return;
    const look = setInterval(() => {
      if (over()) return clearInterval(look);
      // What is still to be parsed may hold the end.
      if (parser.writableLength > 0 || file === null || file._readableState.ended) return;
      file.destroy(new Error("Unexpected end of form"));
    }, lookMs);
    look.unref();
    parser.once("close", () => clearInterval(look));
  });
  body.pipe(parser);
}
