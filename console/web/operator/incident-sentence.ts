import { language } from '../texts/language.ts';
import type { OperatorRoutes } from './routes.ts';
import { germanIncidents } from './texts/german/incident-details.ts';

export type IncidentRow = OperatorRoutes['GET /admin/incidents']['answer']['open'][number];

/** What an incident is about, in a sentence. `text` is the network's own one, which is English. */
export const incidentSentence = ({ alert, values, text }: IncidentRow): string =>
  (language === 'de' ? germanIncidents[alert](values) : undefined) ?? text;
