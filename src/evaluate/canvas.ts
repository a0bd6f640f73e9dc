/** A small colour picture with the three things that a contact sheet needs: pixels, boxes, words. */
import { PNG } from "pngjs";

export type Colour = readonly [red: number, green: number, blue: number];

/** 5 x 7 dots a letter, one row a number, most significant of five bits on the left. Capitals only: captions are short. */
const glyphs: Readonly<Record<string, string>> = {
  A: "0E11111F111111", B: "1E11111E11111E", C: "0E11101010110E", D: "1E11111111111E", E: "1F10101E10101F", F: "1F10101E101010",
  G: "0E11101711110F", H: "1111111F111111", I: "0E04040404040E", J: "0702020202120C", K: "11121418141211", L: "1010101010101F",
  M: "111B1515111111", N: "11111915131111", O: "0E11111111110E", P: "1E11111E101010", Q: "0E11111115120D", R: "1E11111E141211",
  S: "0F10100E01011E", T: "1F040404040404", U: "1111111111110E", V: "11111111110A04", W: "1111111515150A", X: "11110A040A1111",
  Y: "1111110A040404", Z: "1F01020408101F", 0: "0E11131519110E", 1: "040C040404040E", 2: "0E11010204081F", 3: "1F02040201110E",
  4: "02060A121F0202", 5: "1F101E0101110E", 6: "0608101E11110E", 7: "1F010204080808", 8: "0E11110E11110E", 9: "0E11110F01020C",
  ".": "00000000000C0C", ":": "000C0C000C0C00", "-": "0000001F000000", "+": "0004041F040400", "/": "00010204081000",
  "%": "18190204081303", "(": "02040808080402", ")": "08040202020408", ",": "000000000C0408", _: "0000000000001F", "=": "00001F001F0000",
};

export class Canvas {
  readonly width: number;
  readonly height: number;
  readonly #rgb: Uint8Array;

  constructor(width: number, height: number, background: Colour = [0, 0, 0]) {
    this.width = width;
    this.height = height;
    this.#rgb = new Uint8Array(width * height * 3);
    this.box(0, 0, width, height, background);
  }

  /** Pixels outside the picture are dropped. */
  set(x: number, y: number, colour: Colour): void {
    if (x >= 0 && x < this.width && y >= 0 && y < this.height) this.#rgb.set(colour, (y * this.width + x) * 3);
  }

  get(x: number, y: number): Colour {
    const at = (y * this.width + x) * 3;
    return [this.#rgb[at], this.#rgb[at + 1], this.#rgb[at + 2]];
  }

  box(x: number, y: number, width: number, height: number, colour: Colour): void {
    for (let row = y; row < y + height; row++) for (let col = x; col < x + width; col++) this.set(col, row, colour);
  }

  /** Writes a caption; its letters are 6 x 8 dots including their gap, `size` pixels a dot. Unknown characters leave a gap. */
  text(x: number, y: number, words: string, colour: Colour, size = 1): void {
    [...words.toUpperCase()].forEach((letter, n) => {
      const rows = glyphs[letter] ?? "";
      for (let row = 0; row < rows.length / 2; row++) {
        const bits = Number.parseInt(rows.slice(row * 2, row * 2 + 2), 16);
        for (let col = 0; col < 5; col++) {
          if (bits & (16 >> col)) this.box(x + (n * 6 + col) * size, y + row * size, size, size, colour);
        }
      }
    });
  }

  png(): Buffer {
    const picture = new PNG({ width: this.width, height: this.height, colorType: 2 });
    for (let i = 0; i < this.width * this.height; i++) {
      picture.data.set(this.#rgb.subarray(i * 3, i * 3 + 3), i * 4);
      picture.data[i * 4 + 3] = 255;
    }
    return PNG.sync.write(picture, { colorType: 2 });
  }
}
