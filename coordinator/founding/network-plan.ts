import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { isLoopback } from '#bus-schemas';
import { CodedError } from '#bus-schemas/coded-error.ts';
import { checkerOf } from '#bus-schemas/platform.ts';
import { Type } from '#bus-schemas/type.ts';
import type { HubPorts } from './hub-ports.ts';

/** A hub of a network that an operator has founded. */
export interface HubPlan {
  readonly name: string;
  /** Host name or address at which machines of other people reach the hub. */
  readonly host: string;
  /** Host name or address at which components and the other hubs reach it. */
  readonly privateHost: string;
  readonly ports: HubPorts;
}

/** The hubs that `dinf network init` has founded. Every part of the network reads the plan. */
export interface NetworkPlan {
  readonly version: 1;
  readonly hubs: readonly HubPlan[];
}

export const PLAN_FILE = 'network-plan.json';
const MAX_HUBS = 16;

const Port = Type.Integer({ minimum: 1, maximum: 65_535 });
const Host = Type.String({ minLength: 1, maxLength: 253 });
const Plan = Type.Object({
  version: Type.Literal(1),
  hubs: Type.Array(
    Type.Object({
      name: Type.String({ pattern: '^hub-[1-9][0-9]?$' }),
      host: Host,
      privateHost: Host,
      ports: Type.Object({ client: Port, leaf: Port, cluster: Port }),
    }),
    { minItems: 1, maxItems: MAX_HUBS },
  ),
});

export class PlanError extends CodedError<'invalid_plan'> {
  override readonly fault = 'user';

  constructor(message: string, options?: ErrorOptions) {
    super('invalid_plan', message, options);
  }
}

/** Reads the plan of the network in `home`; undefined if no network was founded there. */
export function readPlan(home: string): NetworkPlan | undefined {
  const file = join(home, PLAN_FILE);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const plan: unknown = JSON.parse(text);
  if (!checkerOf(Plan).Check(plan))
    throw new PlanError(`${file} is not the plan of a network; restore it from a backup.`);
  return plan;
}

/**
 * Adds hubs to a plan. Each hub is given as `HOST` or `HOST@PRIVATE`, for example
 * `hub1.example.org@10.0.0.1`. Hubs that the plan has already are not added again.
 */
export function planWith(
  plan: NetworkPlan | undefined,
  { hubs, ports }: { hubs: readonly string[]; ports: HubPorts },
): NetworkPlan {
  const planned = [...(plan?.hubs ?? [])];
  for (const spec of hubs) {
    const [host = '', privateHost = host, ...rest] = spec.split('@');
    if (rest.length > 0 || !isHost(host) || !isHost(privateHost))
      throw new PlanError(
        `--hub ${spec}: give HOST or HOST@PRIVATE, for example hub1.example.org@10.0.0.1`,
      );
    const isSame = (hub: HubPlan) =>
      hub.host === host && hub.privateHost === privateHost && hub.ports.client === ports.client;
    if (planned.some(isSame)) continue;
    planned.push({ name: `hub-${planned.length + 1}`, host, privateHost, ports });
  }
  if (planned.length > MAX_HUBS) throw new PlanError(`A network has at most ${MAX_HUBS} hubs.`);
  return { version: 1, hubs: planned };
}

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;
/** Whether the text is a host name or an IP address. */
const isHost = (text: string): boolean => isIP(text) !== 0 || HOST_NAME.test(text);

/** An address as a URL writes it: IPv6 addresses need brackets. */
const inUrl = (host: string) => (isIP(host) === 6 ? `[${host}]` : host);

const clientUrlOf = ({ privateHost, ports }: HubPlan): string =>
  `${isLoopback(privateHost) ? 'nats' : 'tls'}://${inUrl(privateHost)}:${ports.client}`;
export const leafUrlOf = ({
  host,
  ports,
}: {
  readonly host: string;
  readonly ports: Pick<HubPorts, 'leaf'>;
}): string => `tls://${inUrl(host)}:${ports.leaf}`;
export const routeUrlOf = ({ privateHost, ports }: HubPlan): string =>
  `nats-route://${inUrl(privateHost)}:${ports.cluster}`;

/** The settings that follow from the plan of the network in `home`; none without a plan. */
export function planSettings(home: string): NodeJS.ProcessEnv {
  const plan = readPlan(home);
  if (plan === undefined) return {};
  return {
    DINF_NATS_URL: plan.hubs.map(clientUrlOf).join(','),
    // The hubs of a cluster in Kubernetes share the address of a load balancer.
    DINF_LEAF_URL: [...new Set(plan.hubs.map(leafUrlOf))].join(','),
  };
}
