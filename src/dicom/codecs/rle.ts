/** RLE Lossless (PS3.5, G): a segment of PackBits per byte of a sample, the most significant byte first. */

/**
 * @returns samples in native form, little-endian, colour plane after plane
 * @throws RangeError where the stream does not hold exactly what the header of the image says
 */
export function decodeRle(bytes: Uint8Array, pixels: number, samplesPerPixel: number, bytesPerSample: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const segments = view.getUint32(0, true);
  if (segments !== samplesPerPixel * bytesPerSample || segments > 15) throw new RangeError(`${segments} segments`);
  const out = new Uint8Array(pixels * segments);
  for (let segment = 0; segment < segments; segment++) {
    const start = view.getUint32(4 + 4 * segment, true);
    const end = segment + 1 < segments ? view.getUint32(8 + 4 * segment, true) : bytes.length;
    if (start < 64 || end > bytes.length || start > end) throw new RangeError("segment outside the frame");
    const sample = Math.floor(segment / bytesPerSample);
    const byte = bytesPerSample - 1 - (segment % bytesPerSample);
    unpack(bytes.subarray(start, end), out, sample * pixels * bytesPerSample + byte, bytesPerSample, pixels);
  }
  return out;
}

function unpack(packed: Uint8Array, out: Uint8Array, first: number, step: number, count: number): void {
  let at = 0;
  let to = first;
  const end = first + count * step;
  while (to < end) {
    if (at >= packed.length) throw new RangeError("segment too short");
    const control = packed[at++];
    if (control < 128) {
      for (let left = control + 1; left > 0 && to < end; left--, to += step) {
        if (at >= packed.length) throw new RangeError("segment too short");
        out[to] = packed[at++];
      }
    } else if (control > 128) {
      if (at >= packed.length) throw new RangeError("segment too short");
      const value = packed[at++];
      for (let left = 257 - control; left > 0 && to < end; left--, to += step) out[to] = value;
    }
  }
}
