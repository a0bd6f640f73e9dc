/** What a reader of the report must know who has never seen it: what was done, and what the columns mean. */
import { html, type Markup } from "./html.js";
import type { ReportDocument } from "./report.js";
import { type WayName, waysOf } from "./ways.js";

const protocols: Record<ReportDocument["settings"]["protocol"], string> = {
  A: "a robot plays the user, who knows the truth. In each round it clicks once, where the mask is most wrong (first: into the middle of the object's largest slice), and the answer spreads through the volume.",
  B: "a robot plays the user, who knows the truth. In each round it takes the slice that is most wrong and clicks there up to five times, and the answer spreads through the volume.",
  drawn: "in each round one more slice is given as it is in truth, without any click, and the answer spreads through the volume.",
};

const ways: Record<WayName, string> = {
  network: "limnet as it is used, the quality network chooses between the masks of two rounds",
  none: "limnet with the newest round everywhere",
  oracle: "limnet with a choice that knows the truth: what choosing could gain at most",
  walker: "a random walker (scikit-image) from the same prompts",
  interpolate: "shapes between outlines drawn without error on the same slices",
  copy: "the nearest of these outlines on every slice, ends of the object told",
};

/** The paragraph under the title. */
export function whatWasDone({ settings }: Pick<ReportDocument, "settings">): Markup {
  return html`<p>Protocol ${settings.protocol}: ${protocols[settings.protocol]} Each number compares an answer with the truth.</p>`;
}

/** The words of the tables. */
export function legend({ settings }: Pick<ReportDocument, "settings">): Markup {
  return html`<dl class="quiet">
${waysOf(settings).map((way) => html`<dt>${way}</dt><dd>${ways[way]}</dd>
`)}<dt>Dice</dt><dd>overlap of answer and truth in the whole volume: 100 is equal, 0 is apart; mean over the objects</dd>
<dt>slice Dice</dt><dd>the same slice by slice, over slices where there is truth: small slices count as much as large ones</dd>
<dt>beyond the ends</dt><dd>what is filled on slices where there is no truth, as a share of the object's volume</dd>
<dt>slices kept</dt><dd>slices on which the mask of an earlier round was taken</dd>
<dt>area under the curve</dt><dd>mean Dice over all rounds</dd>
<dt>NSD at 2 mm</dt><dd>share of both surfaces that lies within 2 mm of the other</dd>
<dt>HD95</dt><dd>distance that 95 % of both surfaces keep within, in millimetres</dd>
<dt>click s, propagate s, fuse s</dt><dd>seconds of a round on the machine below</dd>
</dl>`;
}
