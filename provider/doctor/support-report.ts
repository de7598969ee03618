import { readFile } from 'node:fs/promises';
import type { State } from '../service/control-api.ts';
import { logPath } from '../service/log-file.ts';
import type { Settings } from '../service/settings.ts';
import type { CheckFinding } from './check.ts';

/** Lines of the log in a report. */
const LOG_LINES = 2_000;
/**
 * Fields of a log line that are copied. All others are left out: a field that a later version adds
 * may have content of a request.
 */
const SAFE_FIELDS = [
  'time',
  'level',
  'name',
  'msg',
  'code',
  'phase',
  'reason',
  'failures',
  'because',
  'outcome',
  'build',
  'engine',
  'standing',
  'fault',
] as const;
/** Forms of secrets: nkey seeds, JWTs, API keys, codes of machines, and keys in PEM. */
const SECRETS =
  /S[AUOCN][A-Z2-7]{40,}|eyJ[\w-]{10,}(?:\.[\w-]+)*|\b(?:sk|hf)[-_][\w-]{8,}|Bearer \S+|\b[A-Z]{4}-[A-Z]{4}\b|-----BEGIN[^-]*-----[\s\S]*?-----END[^-]*-----/g;

export interface ReportParts {
  readonly home: string;
  readonly version: string;
  readonly findings: readonly CheckFinding[];
  readonly state: State | undefined;
  readonly settings: Settings | undefined;
  readonly now: number;
}

/**
 * One text for support: the findings of the doctor, the state, the settings and the log. It has no
 * content of requests and no secrets: only known fields of log lines are copied, and texts in the
 * form of a secret are replaced.
 */
export async function supportReport({
  home,
  version,
  findings,
  state,
  settings,
  now,
}: ReportParts): Promise<string> {
  const { approval: _, ...shown } = state ?? {};
  const sections: [string, string][] = [
    [
      'report',
      `d-inference ${version}, ${process.platform} ${process.arch}, ${new Date(now).toISOString()}`,
    ],
    ['findings', findings.map(({ name, state: of, text }) => `${of} ${name}: ${text}`).join('\n')],
    ['state', JSON.stringify(shown, null, 1)],
    ['settings', JSON.stringify(settings ?? {}, null, 1)],
    ['log', await safeLog(home)],
  ];
  return sections.map(([title, text]) => `# ${title}\n\n${hideSecrets(text)}\n`).join('\n');
}

export const hideSecrets = (text: string): string => text.replaceAll(SECRETS, '[secret]');

async function safeLog(home: string): Promise<string> {
  const text = await readFile(logPath(home), 'utf8').catch(() => '');
  return text
    .split('\n')
    .slice(-LOG_LINES - 1)
    .flatMap((line) => safeLine(line) ?? [])
    .join('\n');
}

/** The known fields of a log line; undefined for a line that is no object in JSON. */
function safeLine(line: string): string | undefined {
  try {
    const fields: unknown = JSON.parse(line);
    if (typeof fields !== 'object' || fields === null) return undefined;
    const known = new Map(Object.entries(fields));
    const kept = SAFE_FIELDS.filter((name) =>
      ['string', 'number'].includes(typeof known.get(name)),
    );
    return JSON.stringify(Object.fromEntries(kept.map((name) => [name, known.get(name)])));
  } catch {
    // The program also prints lines that are no JSON; they may quote anything.
    return undefined;
  }
}
