/** The end of a text file, however long the file is. */
import { open } from "node:fs/promises";

/** The last `count` lines (UTF-8), looking at no more than `most` bytes from the end. Throws what the file system throws. */
export async function lastLines(path: string, count: number, most = 8 * 1024 ** 2): Promise<string> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - most);
    let start = size;
    let text = Buffer.alloc(0);
    // A file of lines ends with a line end, which is none before a line.
    while (start > from && lineStarts(text) <= count) {
      const next = Math.max(from, start - (1 << 16));
      const piece = Buffer.alloc(start - next);
      const { bytesRead } = await file.read(piece, 0, piece.length, next);
      text = Buffer.concat([piece.subarray(0, bytesRead), text]);
      start = next;
    }
    const lines = text.toString("utf8").replace(/\n$/, "").split("\n");
    // What was cut by the limit is no whole line.
    if (start > 0 && lines.length <= count) lines.shift();
    return `${lines.slice(-count).join("\n")}\n`;
  } finally {
    await file.close();
  }
}

function lineStarts(text: Buffer): number {
  let lines = 0;
  for (let at = text.indexOf(10); at !== -1; at = text.indexOf(10, at + 1)) lines++;
  return lines;
}
