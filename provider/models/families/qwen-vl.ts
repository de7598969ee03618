import type { DecoderShape } from '../decoder-shape.ts';
import type { FieldReader } from '../field-reader.ts';
import { ModelError } from '../model-error.ts';
import { AXES, type Sections } from '../rope.ts';
import { deepLayersOf } from '../vision/deep-layers.ts';
import type { DecoderConfig, Family } from './family.ts';
import { plainLayer, plainShape } from './plain-shape.ts';
import { layersWithExperts } from './qwen.ts';

/** The decoder of Qwen3, whose tokens of images have rows and columns. */
export const QWEN3_VL: Family = {
  types: ['qwen3_vl_text'],
  nestedTypes: ['qwen3_vl'],
  read: (config) => shapeOf(config),
};

/** The decoder of Qwen3 with experts, whose shares always add up to one. */
export const QWEN3_VL_MOE: Family = {
  types: ['qwen3_vl_moe_text'],
  nestedTypes: ['qwen3_vl_moe'],
  read: (config) => shapeOf(config, layersWithExperts(true)),
};

function shapeOf(config: DecoderConfig, layerOf = plainLayer): Omit<DecoderShape, 'prefix'> {
  const defaults = { normEps: 1e-6, ropeTheta: 5e5 };
  const plain = { ...plainShape(config, { defaults, layerOf }), qkNorm: 'heads' as const };
  return { ...withSections(plain, config, [24, 20, 20]), imageLayers: imageLayersOf(config) };
}

function imageLayersOf({ fields, outer }: DecoderConfig): number {
  const count = deepLayersOf(outer).length;
  if (count <= fields.integer('num_hidden_layers')) return count;
  throw new ModelError(
    'malformed_config',
    `deepstack_visual_indexes has ${count} items, but the decoder has fewer layers`,
  );
}

/**
 * Lets the pairs of a decoder's ropes rotate by time, row and column. The three coordinates of a text's
 * token are equal.
 */
export function withSections<Shape extends Omit<DecoderShape, 'prefix'>>(
  shape: Shape,
  { fields }: DecoderConfig,
  or: Sections,
): Shape {
  const ropes = shape.ropes.map((rope) => {
    const pairs = (rope.rotated ?? shape.headDim) / 2;
    return { ...rope, sections: sectionsOf(fields, pairs) ?? or };
  });
  return { ...shape, ropes };
}

function sectionsOf(fields: FieldReader, pairs: number): Sections | undefined {
  const about = fields.object('rope_parameters') ?? fields.object('rope_scaling');
  const isCount = (item: unknown): item is number =>
    Number.isSafeInteger(item) && (item as number) >= 0;
  const sections = about?.list('mrope_section', isCount, AXES);
  if (sections === undefined) return undefined;
  if (!about?.flag('mrope_interleaved', true))
    throw new ModelError(
      'unsupported_architecture',
      'mrope_interleaved is false, but the pairs of time, row and column are supported in turn alone',
    );
  const [time = 0, row = 0, column = 0] = sections;
  if (sections.length === AXES && time + row + column === pairs) return [time, row, column];
  throw new ModelError(
    'malformed_config',
    `mrope_section is ${sections.join(', ')} but must divide ${pairs} pairs in three`,
  );
}
