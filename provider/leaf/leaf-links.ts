import type { NatsConnection } from '@nats-io/nats-core';

/** One link of a leaf to a hub. Messages and bytes count from the beginning of the link. */
export interface LeafLink {
  readonly roundTripMs: number;
  readonly messages: { readonly in: number; readonly out: number };
  readonly bytes: { readonly in: number; readonly out: number };
}

interface LeafReport {
  readonly data?: {
    readonly leafs?: readonly {
      readonly rtt?: string;
      readonly in_msgs: number;
      readonly out_msgs: number;
      readonly in_bytes: number;
      readonly out_bytes: number;
    }[];
  };
}

/** The local system account reaches one server only, this leaf: no other answers the ping. */
const REPORT = '$SYS.REQ.SERVER.PING.LEAFZ';
const REPORT_MS = 2_000;

/** Reads the present links of a leaf, over a connection in its system account. */
export async function readLinks(system: NatsConnection): Promise<LeafLink[]> {
  const reply = await system.request(REPORT, undefined, { timeout: REPORT_MS });
  const { leafs = [] } = reply.json<LeafReport>().data ?? {};
  return leafs.map(({ rtt, in_msgs, out_msgs, in_bytes, out_bytes }) => ({
    roundTripMs: millisecondsOf(rtt ?? ''),
    messages: { in: in_msgs, out: out_msgs },
    bytes: { in: in_bytes, out: out_bytes },
  }));
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Reads a duration as Go prints it, for example `1m2.5s` or `337µs`; 0 for an empty text. */
export function millisecondsOf(duration: string): number {
  let sum = 0;
  for (const [, value, unit = ''] of duration.matchAll(/([\d.]+)(ns|µs|ms|s|m|h)/g))
    sum += Number(value) * (UNITS[unit] ?? 0);
  return sum;
}
