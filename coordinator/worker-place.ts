/** Whether the kernel can give each connection of one port to one of several processes. */
export const CAN_SHARE_PORTS = process.platform === 'linux';

/**
 * The place of this process among the ingresses that share the ports of one machine
 * (`--workers`). Each of them also listens on a socket of its own in `folder`.
 */
export interface WorkerPlace {
  readonly index: number;
  readonly count: number;
  readonly folder: string;
}
