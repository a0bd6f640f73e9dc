/** Transfer syntaxes (PS3.5, 10; PS3.6, A): what is read here, and how the pixels are packed. */

export type Packing =
  | "native" | "encapsulated" | "deflated-frame" | "rle" | "jpeg" | "jpeg-lossless" | "jpeg-ls" | "jpeg-2000" | "htj2k";

export interface TransferSyntax {
  readonly name: string;
  readonly packing: Packing;
}

const dicom = "1.2.840.10008.1.2";

/** A file without a meta header is read as this. */
export const implicitLittleEndian = dicom;
export const explicitLittleEndian = `${dicom}.1`;
export const deflatedLittleEndian = `${dicom}.1.99`;
export const bigEndian = `${dicom}.2`;

const known: Readonly<Record<string, TransferSyntax>> = {
  [implicitLittleEndian]: { name: "Implicit VR Little Endian", packing: "native" },
  [explicitLittleEndian]: { name: "Explicit VR Little Endian", packing: "native" },
  [`${dicom}.1.98`]: { name: "Encapsulated Uncompressed", packing: "encapsulated" },
  [deflatedLittleEndian]: { name: "Deflated Explicit VR Little Endian", packing: "native" },
  [bigEndian]: { name: "Explicit VR Big Endian", packing: "native" },
  [`${dicom}.8.1`]: { name: "Deflated Image Frame", packing: "deflated-frame" },
  [`${dicom}.5`]: { name: "RLE Lossless", packing: "rle" },
  [`${dicom}.4.50`]: { name: "JPEG Baseline", packing: "jpeg" },
  [`${dicom}.4.51`]: { name: "JPEG Extended", packing: "jpeg" },
  [`${dicom}.4.53`]: { name: "JPEG Spectral Selection", packing: "jpeg" },
  [`${dicom}.4.55`]: { name: "JPEG Full Progression", packing: "jpeg" },
  [`${dicom}.4.57`]: { name: "JPEG Lossless", packing: "jpeg-lossless" },
  [`${dicom}.4.70`]: { name: "JPEG Lossless SV1", packing: "jpeg-lossless" },
  [`${dicom}.4.80`]: { name: "JPEG-LS Lossless", packing: "jpeg-ls" },
  [`${dicom}.4.81`]: { name: "JPEG-LS Near-Lossless", packing: "jpeg-ls" },
  [`${dicom}.4.90`]: { name: "JPEG 2000 Lossless", packing: "jpeg-2000" },
  [`${dicom}.4.91`]: { name: "JPEG 2000", packing: "jpeg-2000" },
  [`${dicom}.4.201`]: { name: "HTJ2K Lossless", packing: "htj2k" },
  [`${dicom}.4.202`]: { name: "HTJ2K Lossless RPCL", packing: "htj2k" },
  [`${dicom}.4.203`]: { name: "HTJ2K", packing: "htj2k" },
};

/** Undefined where the syntax has no reader here. */
export function transferSyntax(uid: string): TransferSyntax | undefined {
  return Object.hasOwn(known, uid) ? known[uid] : undefined;
}

/** All that are read here, by UID. */
export const transferSyntaxes: Readonly<Record<string, TransferSyntax>> = known;
