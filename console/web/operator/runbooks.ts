import incidents from '../../../docs/operating/incidents.md?raw';
import { runbookSections } from './runbook-sections.ts';

/** The steps for each alert, from docs/operating/incidents.md as it was when the pages were built. */
export const RUNBOOKS: ReadonlyMap<string, string> = runbookSections(incidents);
