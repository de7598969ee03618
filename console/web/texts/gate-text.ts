import { germanGates } from './german/gates.ts';
import { language } from './language.ts';

const translated: Readonly<Record<string, string>> = language === 'de' ? germanGates : {};

/** What a closed gate means: `sentence` is the network's own text, which is English. */
export const gateText = (gate: string | null, sentence: string): string =>
  translated[gate ?? ''] ?? sentence;
