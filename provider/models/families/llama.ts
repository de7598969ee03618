import type { Family } from './family.ts';
import { plainShape } from './plain-shape.ts';

export const LLAMA: Family = { types: ['llama'], read: plainShape };
