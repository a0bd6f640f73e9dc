/**
 * The graphs of LIM-Net as the method sees them: named float tensors in, named float tensors out.
 * The engine backs this with ONNX Runtime; tests with small functions. Names and shapes: models/manifest.json.
 *
 * Sizes: H x W is the network input (multiples of 16), h x w = H/8 x W/8 its memory grid, N memory elements.
 *
 * click   image [1,1,H,W] 0..1, maps [1,7,H,W]                  -> probability [1,1,H,W]
 *         maps: previous probability, positive disks, negative disks, then per geodesic setting (2 of them)
 *         the positive and the negative map: order pos0, neg0, pos1, neg1; 9 maps where flood maps follow, positive and negative
 * key     image [1,1,H,W]                                       -> f8 [1,c8,h,w], key [1,64,h,w], shrinkage [1,1,h,w],
 *                                                                  selection [1,64,h,w]
 * value   image [1,1,H,W], mask [1,1,H,W], f8                   -> value [1,cv,h,w]
 * read    mk [64,N], ms [1,N], mv [N,cv], qk [64,hw], qe [64,hw], k int64 [1]
 *                                                               -> readout [hw,cv], weights [hw,k], indices int64 [hw,k]
 * decode  image, neighbour (image of the slice whose mask is handed on) [1,1,H,W], maps [1,5,H,W], readout [hw,cv]
 *                                                               -> probability [1,1,H,W], presence [1,1]
 *         maps: propagation/seeds.ts; presence: probability that the object is in this slice at all
 * quality pairs [B,3,S,S]: slice 0..1, previous mask 0/1, current mask 0/1 -> previous_better [B,1]
 *
 * The paper's own layout (limnet_training convert), where `settings` say so. click: image [1,3,H,W] (grey in each channel), maps [1,3,H,W].
 * Propagation "xmem", H/16 x W/16 cells, h [1,ch,H/16,W/16] the sensory state (absent where hiddenDim is 0):
 * key         image [1,3,H,W]                                   -> key, shrinkage, selection, skip8, skip4, cx, dx, f16
 * value_image f16                                               -> vx, vd
 * value       image, mask [1,1,H,W], others [1,1,H,W], vx, vd, h -> value [1,cv,h,w], h_new
 * decode      skip8, skip4, cx, dx, readout [hw,cv], h          -> probability [1,1,H,W] (aggregated), h_new
 */
export interface Tensor {
  readonly data: Float32Array | BigInt64Array;
  readonly dims: readonly number[];
}

/** A grey view, `size` x `size`, as the image of a network: once, or copied to three channels. */
export function greyImage(data: Float32Array, size: number, channels: 1 | 3 = 1): Tensor {
  if (channels === 1) return { data, dims: [1, 1, size, size] };
  const copied = new Float32Array(3 * data.length);
  for (let c = 0; c < 3; c++) copied.set(data, c * data.length);
  return { data: copied, dims: [1, 3, size, size] };
}

/** Map channels of the click network. */
export function clickMapCount({ geodesic, flood }: Pick<NetworkSettings["click"], "geodesic" | "flood">): number {
  return 3 + 2 * geodesic.length + (flood === undefined ? 0 : 2);
}

/** Map channels of the decode graph of the lite layout. */
export function neighbourMapCount({ click, propagation }: Pick<NetworkSettings, "click" | "propagation">): number {
  return 1 + 2 * click.geodesic.length + (propagation.transfer === undefined ? 0 : 1);
}

export type GraphName = "click" | "key" | "value" | "value_image" | "read" | "decode" | "quality";

export interface Networks {
  run(graph: GraphName, feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
  readonly settings: NetworkSettings;
}

/** From which probability on a voxel is in the mask (walker/levels.ts); 0.5 elsewhere. */
export interface LevelSettings {
  /** Between two prompts with the object on them. */
  readonly between: number;
  /** There, where both were corrected. */
  readonly corrected: number;
  /** Beyond a corrected prompt, where no further one holds the object. */
  readonly beyond: number;
}

export interface WalkerSettings {
  /** Edge weight exp(-contrast * d^2), d the difference of grey values in standard deviations. */
  readonly contrast: number;
  /** Factor on the edges between slices. */
  readonly across: number;
  /** Pull towards a prior of 0 or 1; nothing at 0.5. */
  readonly trust: number;
  /** `trust` grows with the square of the object's depth on the prompts (largest inscribed radius, mean over those with a mask) beyond so many pixels, up to `most` times. Absent: it does not. */
  readonly deep?: { readonly pixels: number; readonly most: number };
  readonly iterations: number;
  /** Absent: the mask is what is probable from 0.5 on everywhere. */
  readonly levels?: LevelSettings;
}

/** How like patches carry a mask over to the next slice (propagation/transfer.ts). */
export interface TransferSettings {
  /** So many pixels away a patch is looked for. */
  readonly reach: number;
  /** Difference of patches, root mean square in grey steps 0..255, at which a vote has fallen to 1/e. */
  readonly contrast: number;
  /** Standard deviation, in pixels, of a vote by its distance. */
  readonly nearness: number;
}

/** What the shapes of two slices that are right count between them (propagation/between.ts). */
export interface ShapeSettings {
  /** Share of the shapes in the mixture with what was propagated, 0..1. */
  readonly share: number;
  /** Over so many pixels the border of a shape goes from sure to unsure. */
  readonly softness: number;
  /** Where less is left of the areas, the two do not lie on each other and count nothing: a wall has moved on, a vessel has branched. */
  readonly leastArea: number;
}

/** When slices are smoothed before they are looked at (denoise.ts). */
export interface DenoiseSettings {
  /** Objects with a longer side below so many pixels are looked at as they are. */
  readonly minObject: number;
  /** Standard deviation of the noise, in grey values 0..255, from which on the slice is smoothed once, twice, and so on; ascending. */
  readonly noise: readonly number[];
  /** The click network sees a slice smoothed up to so many clicks on it: who clicks more often is at details. */
  readonly clicks: number;
}

/** What the host code must know of the networks: the `settings` of models/manifest.json. */
export interface NetworkSettings {
  /** Absent: slices stay as they are. */
  readonly denoise?: DenoiseSettings;
  readonly click: {
    /** Side of the network's input where it looks at the whole slice. */
    readonly size: number;
    readonly diskRadius: number;
    /** Channels of the image, each the grey slice; default 1. */
    readonly channels?: 1 | 3;
    /** Previous mask as it is, or cut at 0.5; default "probability". */
    readonly previous?: "probability" | "binary";
    /** Geodesic maps: exp(-d / scale), d with intensity weight (see click/geodesic.ts). */
    readonly geodesic: readonly { readonly weight: number; readonly scale: number }[];
    /** Flood maps: exp(-t / scale), t the tolerance in grey steps (see click/flood.ts); default none. */
    readonly flood?: { readonly scale: number };
    /** From this click of a slice on, only the changed part that holds the click is taken (click/local.ts); default never. */
    readonly local?: number;
    readonly zoom: {
      /** Side of the view = expansion x longer side of the box around mask and positive clicks, at least minSide pixels. */
      readonly expansion: number;
      readonly minSide: number;
      /** The stored view is kept while the overlap (rows IoU x columns IoU) with the new one is at least this. */
      readonly keepOverlap: number;
      /** First click without a mask: "whole" = the whole slice only; "fresh" = then once more on the zoomed guess, from an
       * empty mask; "guess" = the same with the guess as previous mask. */
      readonly first: "whole" | "fresh" | "guess";
      /** Side of the network's input for a zoomed view; default the one of the whole slice. */
      readonly size?: number;
    };
  };
  readonly propagation: {
    /** Default "lite". */
    readonly layout?: "lite" | "xmem";
    /** Channels of the sensory state (layout "xmem"); 0: none. */
    readonly hiddenDim?: number;
    /** Sides of the square region after resizing, ascending; the smallest that does not shrink the region below 2/3 is taken. */
    readonly sizes: readonly number[];
    readonly stride: number;
    readonly keyDim: number;
    readonly valueDim: number;
    readonly memoryEvery: number;
    readonly topK: number;
    /** A slice whose presence is below is empty. */
    readonly presenceThreshold: number;
    /** Side of the region = expansion x longer side of the prompts' box, at least minSide pixels. */
    readonly region: { readonly expansion: number; readonly minSide: number };
    /** A direction ends after so many empty slices in a row. */
    readonly stopAfter: number;
    /** Absent: the decode graph is not given what like patches carry over. */
    readonly transfer?: TransferSettings;
    /** Absent: what was propagated counts alone. */
    readonly shapes?: ShapeSettings;
    /** Last step of a round along the edges of the image (walker/walker.ts); absent: none. */
    readonly walker?: WalkerSettings;
  };
  readonly quality: {
    readonly size: number;
    readonly expansion: number;
    readonly minSide: number;
    /** The previous mask stays where its probability of being the better one is above; 0.5 is the paper's. */
    readonly threshold: number;
  };
}
