import {
  HUB_SETTINGS,
  type HubOptions,
  preloadedAccounts,
  RESOLVER_SETTINGS,
  ROUTE_SETTINGS,
  TLS_TIMEOUT_S,
} from './hub-config.ts';
import { DEFAULT_HUB_PORTS } from './hub-ports.ts';
import type { NetworkPlan } from './network-plan.ts';

/** Names in Kubernetes that follow from the name of the Helm release. */
export const namesIn = (release: string) => ({
  /** The stateful set of the hubs, and the service in front of them. */
  hubs: `${release}-hub`,
  tlsSecret: `${release}-hub-tls`,
  coreSecret: `${release}-core`,
  trustSecret: `${release}-trust`,
  receiptsSecret: `${release}-receipts`,
});

/** Number of hubs in Kubernetes: the fewest that store facts while one of them is away. */
const HUBS = 3;

/**
 * Returns the hubs of a release as `planWith` reads them. All have the public name of one load
 * balancer; inside the cluster each pod has a name of its own, as the headless service of the nats
 * chart gives it.
 */
export const hubsOfRelease = (release: string, publicName: string): string[] => {
  const { hubs } = namesIn(release);
  return Array.from(
    { length: HUBS },
    (_, index) => `${publicName}@${hubs}-${index}.${hubs}-headless`,
  );
};

/**
 * Values of the official nats chart (nats-io/k8s) for the hubs of a network. They are the same
 * settings that `hubConfig` writes for a hub on a machine, with one difference: the chart's probes
 * use the monitoring port, so it is open inside the cluster, and a network policy must close it.
 */
export function natsChartValues(
  release: string,
  { plan, operator }: { readonly plan: NetworkPlan; readonly operator: HubOptions['operator'] },
) {
  const { hubs, tlsSecret } = namesIn(release);
  const { ports = DEFAULT_HUB_PORTS } = plan.hubs[0] ?? {};
  const tls = (merge: object = {}) => ({
    enabled: true,
    secretName: tlsSecret,
    merge: { timeout: TLS_TIMEOUT_S, ...merge },
  });
  return {
    fullnameOverride: hubs,
    config: {
      nats: { port: ports.client, tls: tls() },
      leafnodes: { enabled: true, port: ports.leaf, tls: tls() },
      cluster: {
        enabled: true,
        port: ports.cluster,
        replicas: plan.hubs.length,
        // Between hubs both sides show their certificates.
        tls: tls({ verify: true }),
        merge: ROUTE_SETTINGS,
      },
      jetstream: { enabled: true },
      resolver: { enabled: true, merge: RESOLVER_SETTINGS },
      merge: {
        ...HUB_SETTINGS,
        operator: operator.jwts.operator,
        system_account: operator.keys.system.getPublicKey(),
        resolver_preload: preloadedAccounts(operator),
      },
    },
    tlsCA: { enabled: true, secretName: tlsSecret },
    natsBox: { enabled: false },
  };
}
