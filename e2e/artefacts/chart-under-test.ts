import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setting } from '#bus-schemas/settings/settings.ts';
import { foundNetwork } from '#coordinator/founding/found-network.ts';
import { hubsOfRelease } from '#coordinator/founding/helm-values.ts';
import { DEFAULT_HUB_PORTS } from '#coordinator/founding/hub-ports.ts';
import { planWith } from '#coordinator/founding/network-plan.ts';
import { PACKAGING } from './files.ts';
import { parseYamls } from './yaml.ts';

export const RELEASE = 'dinf';
/** The lowest version that the chart accepts, and a recent one. */
export const KUBERNETES = ['1.25.0', '1.33.0'];

/** The secrets of each group of components, without the name of the release. */
export const GROUP_SECRETS: Readonly<Record<string, readonly string[]>> = {
  routing: ['core'],
  books: ['core', 'receipts'],
  trust: ['core', 'trust'],
  // Last, because it is ready only when the others answer.
  ingress: ['core'],
};

export interface Resource {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // The shape depends on the kind; kubeconform checks it, and the tests read single paths.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly spec?: any;
  readonly data?: Readonly<Record<string, string>>;
}

export interface Chart {
  readonly folder: string;
  /** Folder of the network that the values are from. */
  readonly home: string;
  /** Whether the folder that DINF_TEST_NATS_CHART names is in the chart. */
  readonly hasHubs: boolean;
}

export const helm = (args: readonly string[]) => spawnSync('helm', args, { encoding: 'utf8' });

/**
 * Copies the chart, with the official nats chart if DINF_TEST_NATS_CHART names its folder. Without
 * it the copy depends on nothing, because the chart's repository may not be reachable.
 */
export async function prepareChart(): Promise<Chart> {
  const folder = mkdtempSync(join(tmpdir(), 'dinf-chart-'));
  const home = join(folder, 'network');
  await foundNetwork({
    home,
    keysFolder: join(home, 'keys'),
    plan: planWith(undefined, {
      hubs: hubsOfRelease(RELEASE, 'hub.example.org'),
      ports: DEFAULT_HUB_PORTS,
    }),
    release: RELEASE,
    now: Date.now(),
  });
  const chart = join(folder, 'chart');
  cpSync(join(PACKAGING, 'helm/d-inference'), chart, { recursive: true });
  const nats = setting('DINF_TEST_NATS_CHART');
  if (nats) cpSync(nats, join(chart, 'charts/nats'), { recursive: true });
  else {
    const file = join(chart, 'Chart.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^dependencies:[\s\S]*/m, ''));
  }
  return { folder, home, hasHubs: Boolean(nats) };
}

const REQUIRED = ['publicUrl=https://api.example.org', 'database.existingSecret=postgres'];

export const valuesOf = ({ home }: Chart, set: readonly string[] = REQUIRED): string[] => [
  '--values',
  join(home, 'helm/values.yaml'),
  ...set.flatMap((value) => ['--set', value]),
];

export const renderText = (chart: Chart, set: readonly string[] = [], upgrade = false) =>
  helm([
    'template',
    RELEASE,
    join(chart.folder, 'chart'),
    '--kube-version',
    KUBERNETES.at(-1) as string,
    ...(upgrade ? ['--is-upgrade'] : []),
    ...valuesOf(chart, [...REQUIRED, ...set]),
  ]);

/** Renders the chart. Throws if that fails. */
export function render(...args: Parameters<typeof renderText>): Resource[] {
  const { status, stdout, stderr } = renderText(...args);
  if (status !== 0) throw new Error(stderr);
  return parseYamls(stdout);
}
