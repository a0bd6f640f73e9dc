/** Reads a multipart answer: what a client of the protocol has to do with `output=all`. */
export interface Part {
  readonly name: string;
  /** Empty for plain form fields. */
  readonly filename: string;
  readonly type: string;
  readonly body: Buffer;
}

function attribute(disposition: string, key: string): string {
  const found = new RegExp(`(?:^|;)\\s*${key}=(?:"([^"]*)"|([^;\\s]*))`, "i").exec(disposition);
  return found ? (found[1] ?? found[2]) : "";
}

function readPart(bytes: Buffer): Part {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) throw new Error("A part of the multipart answer has no end of its headers.");
  const headers = new Map<string, string>();
  for (const line of bytes.subarray(0, end).toString("utf8").split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  const disposition = headers.get("content-disposition") ?? "";
  return {
    name: attribute(disposition, "name"),
    filename: attribute(disposition, "filename"),
    type: headers.get("content-type") ?? "text/plain",
    body: bytes.subarray(end + 4),
  };
}

/** The parts of a body, in order. Throws where the body is cut short. */
export function parseMultipart(contentType: string, body: Buffer): Part[] {
  const boundary = attribute(contentType, "boundary");
  if (!/^multipart\//i.test(contentType) || boundary === "") {
    throw new Error(`Expected a multipart answer, got "${contentType}".`);
  }
  // A line end before the first delimiter makes all delimiters alike.
  const whole = Buffer.concat([Buffer.from("\r\n"), body]);
  const delimiter = `\r\n--${boundary}`;
  const parts: Part[] = [];
  let at = whole.indexOf(delimiter);
  while (at >= 0) {
    const start = at + delimiter.length;
    if (whole.toString("latin1", start, start + 2) === "--") return parts;
    const next = whole.indexOf(delimiter, start);
    if (next < 0) break;
    // The delimiter's own line ends with CRLF; headers begin after it.
    const lineEnd = whole.indexOf("\r\n", start);
    parts.push(readPart(whole.subarray(lineEnd + 2, Math.max(lineEnd + 2, next))));
    at = next;
  }
  throw new Error("The multipart answer ends before its closing delimiter.");
}
