/** Values as DICOM writes them (PS3.5 6.2): decimal strings, dates, unique identifiers, texts of limited length. */
import { createHash, randomUUID } from "node:crypto";

/** A number as a decimal string (DS): at most 16 characters, as many digits as fit. */
export function decimal(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`${value} cannot be written as a decimal string`);
  for (let digits = 17; digits > 1; digits--) {
    const rounded = digits === 17 ? value : Number(value.toPrecision(digits));
    const fits = [String(rounded === 0 ? 0 : rounded), rounded.toExponential()].find((text) => text.length <= 16);
    if (fits !== undefined) return fits;
  }
  return value.toExponential(0);
}

/** A UID of the 2.25 root (PS3.5 B.2) that is the same for the same parts; equal parts in another order give another one. */
export function uidOf(...parts: readonly string[]): string {
  const digest = createHash("sha256").update(JSON.stringify(parts)).digest("hex");
  return `2.25.${BigInt(`0x${digest.slice(0, 32)}`)}`;
}

/** A new UID that nobody else has. */
export function newUid(): string {
  return `2.25.${BigInt(`0x${randomUUID().replaceAll("-", "")}`)}`;
}

/** DA and TM of a moment, local time of this machine, as every other date of a study is. */
export function dateTime(moment: Date): { readonly date: string; readonly time: string } {
  const two = (value: number) => String(value).padStart(2, "0");
  return {
    date: `${String(moment.getFullYear()).padStart(4, "0")}${two(moment.getMonth() + 1)}${two(moment.getDate())}`,
    time: `${two(moment.getHours())}${two(moment.getMinutes())}${two(moment.getSeconds())}`,
  };
}

/** One line of text that fits a value of `length` characters: no control characters, no backslash (it separates values). */
export function text(value: string, length = 64): string {
  const clean = value.replace(/\p{Cc}/gu, " ").replaceAll("\\", "/").trim();
  return [...clean].slice(0, length).join("").trim();
}

/** A person name (PN) from a free text: "^" and "=" separate its parts, so that they cannot come from a name of one part. */
export function personName(value: string): string {
  return text(value.includes("^") ? value : `${value.replace(/[=^]/g, " ")}^`, 64);
}

const xyzToLab = (t: number) => (t > (6 / 29) ** 3 ? Math.cbrt(t) : t / (3 * (6 / 29) ** 2) + 4 / 29);

/** sRGB (0 to 255) as Recommended Display CIELab Value (0062,000D): L*, a*, b* of PCS white D50, scaled to 16 bit (PS3.3 C.10.7.1.1). */
export function cieLab([red, green, blue]: readonly [number, number, number]): [number, number, number] {
  const linear = [red, green, blue].map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  // sRGB to XYZ adapted to D50 (Bradford), divided by the white point.
  const x = (0.4360747 * linear[0] + 0.3850649 * linear[1] + 0.1430804 * linear[2]) / 0.96422;
  const y = 0.2225045 * linear[0] + 0.7168786 * linear[1] + 0.0606169 * linear[2];
  const z = (0.0139322 * linear[0] + 0.0971045 * linear[1] + 0.7141733 * linear[2]) / 0.82521;
  const [fx, fy, fz] = [xyzToLab(x), xyzToLab(y), xyzToLab(z)];
  const scale = (value: number, low: number, high: number) => Math.round((65535 * (Math.min(high, Math.max(low, value)) - low)) / (high - low));
  // a* and b* run from -128 to 127.
  return [scale(116 * fy - 16, 0, 100), scale(500 * (fx - fy), -128, 127), scale(200 * (fy - fz), -128, 127)];
}

/** The inverse of cieLab, rounded to whole sRGB values: what a viewer shows for the colour in a file. */
export function rgbOf([l, a, b]: readonly number[]): [number, number, number] {
  const fy = ((l / 65535) * 100 + 16) / 116;
  const fx = fy + ((a / 65535) * 255 - 128) / 500;
  const fz = fy - ((b / 65535) * 255 - 128) / 200;
  const inverse = (t: number) => (t > 6 / 29 ? t ** 3 : 3 * (6 / 29) ** 2 * (t - 4 / 29));
  const [x, y, z] = [0.96422 * inverse(fx), inverse(fy), 0.82521 * inverse(fz)];
  const linear = [
    3.1338561 * x - 1.6168667 * y - 0.4906146 * z,
    -0.9787684 * x + 1.9161415 * y + 0.033454 * z,
    0.0719453 * x - 0.2289914 * y + 1.4052427 * z,
  ];
  const encoded = linear.map((value) => Math.round(255 * Math.min(1, Math.max(0, value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055))));
  return [encoded[0], encoded[1], encoded[2]];
}
