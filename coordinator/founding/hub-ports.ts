/** Ports of a hub: for components, for the leaves of machines, and for the other hubs. */
export interface HubPorts {
  readonly client: number;
  readonly leaf: number;
  readonly cluster: number;
}

export const DEFAULT_HUB_PORTS: HubPorts = { client: 4222, leaf: 7422, cluster: 6222 };
