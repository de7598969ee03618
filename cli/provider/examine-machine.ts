import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { findingsOf } from '#provider/doctor/check.ts';
import { collectFacts } from '#provider/doctor/collect.ts';
import { checks, printedFindings } from '#provider/doctor/doctor.ts';
import { supportReport } from '#provider/doctor/support-report.ts';
import packageJson from '../../package.json' with { type: 'json' };

const { version } = packageJson;

/** Prints the findings of `dinf provider doctor`. Fails if one of them is a fault. */
export async function examineMachine({
  home,
  json,
}: {
  home: string;
  json?: boolean;
}): Promise<void> {
  const findings = findingsOf(checks, await collectFacts(home, version));
  console.log(json ? JSON.stringify(findings) : printedFindings(findings));
  const faults = findings.filter(({ state }) => state === 'fault').map(({ name }) => name);
  if (faults.length > 0)
    throw new CommandError(EXIT.unavailable, `This machine has faults: ${faults.join(', ')}.`);
}

/** Writes the file for support, and prints its path. */
export async function reportMachine({ home, to }: { home: string; to: string }): Promise<void> {
  const facts = await collectFacts(home, version);
  const { service: state, settings, now } = facts;
  const findings = findingsOf(checks, facts);
  const file = resolve(to);
  await writeFile(file, await supportReport({ home, version, findings, state, settings, now }), {
    mode: 0o600,
  });
  console.log(`${file} has the findings, the state and the log, without content and secrets.`);
}
