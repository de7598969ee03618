import { CodedError } from '#bus-schemas/coded-error.ts';
import { t } from '../texts.ts';
import { germanErrors, germanRefusals } from './german/failures.ts';
import { language } from './language.ts';

/** What is known about a failure of the API, or of the seal in this browser. */
export interface KnownFailure {
  readonly code: string;
  /** The sentence of the API, which is English. */
  readonly message: string;
  readonly reason?: string | undefined;
  readonly param?: string | undefined;
}

/** A failure in a sentence. In English, the API's own sentence is the most precise one. */
export function failureText(failure: KnownFailure): string {
  const { code, message } = failure;
  if (code === 'unreachable') return t.states.unreachable;
  const translated = language === 'de' ? inGerman(failure) : undefined;
  return (translated ?? message) || t.states.failedWith(code);
}

/** What is known about anything that was thrown. */
export function knownFailure(error: unknown): KnownFailure {
  if (error instanceof CodedError) return error;
  return { code: 'internal', message: error instanceof Error ? error.message : String(error) };
}

const inGerman = ({ code, reason, param }: KnownFailure): string | undefined =>
  germanRefusals[reason ?? ''] ?? germanErrors[code]?.(param ?? '');
