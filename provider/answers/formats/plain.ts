import type { FormatFamily, ModelFacts } from '../format.ts';
import { formatWithMarks } from '../marked-text-reader.ts';

/** Models without calls that are read. */
export const PLAIN_FORMAT = {
  name: 'plain',
  texts: ['<think>', '</think>'],
  of: (facts: ModelFacts) => formatWithMarks(facts),
} satisfies FormatFamily;
