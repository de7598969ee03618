import type { OwnMachine } from '../state/answers.ts';
import { germanFaults } from './german/faults.ts';
import { language } from './language.ts';

/** Why a machine is not trusted: `because` is the network's own sentence, which is English. */
export const faultText = ({ fault, because }: OwnMachine['trust']): string | null =>
  fault !== null && language === 'de' ? germanFaults[fault] : because;
