/** A picture of what the robot user saw: a row a round or a method, a column a slice, the truth and the answer as outlines. */
import type { Axis, Pixel, Shape } from "../imaging/geometry.js";
import { planeShape, readSlice } from "../imaging/slices.js";
import { Canvas, type Colour } from "./canvas.js";

export interface SheetClick extends Pixel {
  readonly slice: number;
  readonly positive: boolean;
}

export interface SheetRow {
  readonly caption: string;
  readonly mask: Uint8Array;
  /** All clicks so far: drawn where their slice is shown. */
  readonly clicks: readonly SheetClick[];
}

/** Part of a slice. */
export interface Frame {
  readonly row: number;
  readonly col: number;
  readonly rows: number;
  readonly cols: number;
}

export interface Sheet {
  readonly title: string;
  /** Grey values 0..255. */
  readonly grey: Uint8Array;
  readonly truth: Uint8Array;
  readonly shape: Shape;
  readonly axis: Axis;
  readonly slices: readonly number[];
  readonly rows: readonly SheetRow[];
  /** What is shown of every slice; all of it by default. */
  readonly frame?: Frame;
}

const paper: Colour = [24, 24, 28];
const ink: Colour = [235, 235, 235];
const truthColour: Colour = [70, 220, 100];
const answerColour: Colour = [255, 90, 70];
const positiveColour: Colour = [90, 190, 255];
const negativeColour: Colour = [255, 210, 60];

const gap = 8;
const letter = 2;
const line = 8 * letter + 6;
/** Slices are enlarged by a whole number to at least this width. */
const wanted = 240;

/** `count` slices spread over those that hold some of the object. */
export function spreadSlices(truth: Uint8Array, shape: Shape, axis: Axis, count: number): number[] {
  const held = Array.from({ length: shape[axis] }, (_, n) => n).filter((n) => readSlice(truth, shape, axis, n).some((v) => v > 0));
  if (held.length === 0) return [];
  const first = held[0];
  const last = held[held.length - 1];
  const spread = Array.from({ length: count }, (_, n) => Math.round(first + ((n + 0.5) / count) * (last - first)));
  return [...new Set(spread)];
}

/** The pixels of a slice that lie in `frame`, row-major. */
function cut(volume: Uint8Array, { shape, axis }: Sheet, slice: number, frame: Frame): Uint8Array {
  const { cols } = planeShape(shape, axis);
  const pixels = readSlice(volume, shape, axis, slice);
  const out = new Uint8Array(frame.rows * frame.cols);
  for (let r = 0; r < frame.rows; r++) {
    const from = (frame.row + r) * cols + frame.col;
    out.set(pixels.subarray(from, from + frame.cols), r * frame.cols);
  }
  return out;
}

interface Tile {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
  readonly rows: number;
  readonly cols: number;
}

function drawGrey(canvas: Canvas, { x, y, zoom, rows, cols }: Tile, grey: ArrayLike<number>): void {
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      const v = grey[r * cols + c];
      canvas.box(x + c * zoom, y + r * zoom, zoom, zoom, [v, v, v]);
    }
  }
}

/** A line one dot wide on the inner side of the border between object and background, `inset` dots further in. */
function drawOutline(canvas: Canvas, { x, y, zoom, rows, cols }: Tile, mask: ArrayLike<number>, colour: Colour, inset: number): void {
  const inside = (r: number, c: number) => r >= 0 && r < rows && c >= 0 && c < cols && mask[r * cols + c] > 0;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      if (!inside(r, c)) continue;
      const [left, top] = [x + c * zoom, y + r * zoom];
      if (!inside(r - 1, c)) canvas.box(left, top + inset, zoom, 1, colour);
      if (!inside(r + 1, c)) canvas.box(left, top + zoom - 1 - inset, zoom, 1, colour);
      if (!inside(r, c - 1)) canvas.box(left + inset, top, 1, zoom, colour);
      if (!inside(r, c + 1)) canvas.box(left + zoom - 1 - inset, top, 1, zoom, colour);
    }
  }
}

/** Draws a click at its place in the tile; one outside of the frame is not drawn. */
function drawClick(canvas: Canvas, { x, y, zoom, rows, cols }: Tile, click: SheetClick): void {
  if (click.row < 0 || click.row >= rows || click.col < 0 || click.col >= cols) return;
  const middle = Math.floor(zoom / 2);
  const [cx, cy] = [x + click.col * zoom + middle, y + click.row * zoom + middle];
  const colour = click.positive ? positiveColour : negativeColour;
  canvas.box(cx - 5, cy - 1, 11, 3, colour);
  if (click.positive) canvas.box(cx - 1, cy - 5, 3, 11, colour);
}

function drawLegend(canvas: Canvas, y: number): void {
  let x = gap;
  const entries: [string, Colour][] = [["truth", truthColour], ["answer", answerColour], ["+ click", positiveColour], ["- click", negativeColour]];
  for (const [words, colour] of entries) {
    canvas.text(x, y, words, colour, letter);
    x += (words.length + 2) * 6 * letter;
  }
}

/** Draws the sheet. */
export function contactSheet(sheet: Sheet): Canvas {
  const { shape, axis, slices } = sheet;
  const frame = sheet.frame ?? { row: 0, col: 0, ...planeShape(shape, axis) };
  const { rows, cols } = frame;
  const zoom = Math.max(1, Math.ceil(wanted / cols));
  const [tileWidth, tileHeight] = [cols * zoom, rows * zoom];
  const header = 2 * line + gap;
  const rowHeight = 2 * line + tileHeight + gap;
  const width = Math.max(600, gap + slices.length * (tileWidth + gap));
  const canvas = new Canvas(width, header + sheet.rows.length * rowHeight, paper);
  canvas.text(gap, gap, sheet.title, ink, letter);
  drawLegend(canvas, gap + line);
  sheet.rows.forEach((row, n) => {
    const top = header + n * rowHeight;
    canvas.text(gap, top + 4, row.caption, ink, letter);
    slices.forEach((slice, column) => {
      const tile: Tile = { x: gap + column * (tileWidth + gap), y: top + 2 * line, zoom, rows, cols };
      canvas.text(tile.x, top + line + 4, `slice ${slice}`, ink, letter);
      drawGrey(canvas, tile, cut(sheet.grey, sheet, slice, frame));
      drawOutline(canvas, tile, cut(sheet.truth, sheet, slice, frame), truthColour, 0);
      drawOutline(canvas, tile, cut(row.mask, sheet, slice, frame), answerColour, zoom > 2 ? 1 : 0);
      for (const click of row.clicks) {
        if (click.slice === slice) drawClick(canvas, tile, { ...click, row: click.row - frame.row, col: click.col - frame.col });
      }
    });
  });
  return canvas;
}
