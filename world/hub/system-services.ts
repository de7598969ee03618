import type { VirtualTime } from '../virtual/virtual-time.ts';
import type { Account, Service } from './bus-router.ts';
import type { BusMessage } from './parser.ts';
import { tokenClaims } from './token-claims.ts';

export interface SystemServicesOptions {
  readonly name: string;
  readonly version: string;
  readonly time: VirtualTime;
  /** The accounts of machines that may connect. */
  readonly machines: Set<string>;
  readonly send: (account: Account, message: BusMessage) => void;
  /** Called when an account of a machine was removed. */
  readonly onExpelled: (account: string) => void;
}

/** The requests of the system account that the coordinator uses, and the events that it reads. */
export class SystemServices {
  readonly #options: SystemServicesOptions;
  readonly #leaves = new Set<string>();
  #events = 0;

  constructor(options: SystemServicesOptions) {
    this.#options = options;
  }

  readonly service: Service = (account, { subject, reply, payload }) => {
    if (account !== 'system' || !subject.startsWith('$SYS.REQ.')) return false;
    const answer = this.#answer(subject, payload);
    if (answer === undefined || reply === undefined) return false;
    this.#send(reply, answer);
    return true;
  };

  #send(subject: string, content: unknown): void {
    this.#options.send('system', { subject, payload: Buffer.from(JSON.stringify(content)) });
  }

  #answer(subject: string, payload: Buffer): unknown {
    const { name, version, time } = this.#options;
    const server = { id: name, name, ver: version, time: new Date(time.date()).toISOString() };
    switch (subject) {
      case '$SYS.REQ.SERVER.PING':
      case '$SYS.REQ.SERVER.PING.STATSZ':
        return { server, statsz: {} };
      case '$SYS.REQ.SERVER.PING.VARZ':
        return { server, data: { leafnodes: this.#leaves.size } };
      case '$SYS.REQ.SERVER.PING.JSZ':
        return { server, data: {} };
      case '$SYS.REQ.CLAIMS.UPDATE':
        this.#options.machines.add(tokenClaims(payload.toString('utf8')).sub);
        return { server, data: { code: 200 } };
      case '$SYS.REQ.CLAIMS.LIST':
        return { server, data: [...this.#options.machines] };
      case '$SYS.REQ.CLAIMS.DELETE':
        for (const account of tokenClaims(payload.toString('utf8')).nats?.accounts ?? [])
          this.#expel(account);
        return { server, data: { code: 200 } };
      default:
        return undefined;
    }
  }

  #expel(account: string): void {
    const { machines, onExpelled } = this.#options;
    if (machines.delete(account)) onExpelled(account);
  }

  leafConnected(account: string): void {
    this.#leaves.add(account);
    this.#event(account, 'CONNECT');
  }

  leafDisconnected(account: string): void {
    this.#leaves.delete(account);
    this.#event(account, 'DISCONNECT');
  }

  #event(account: string, change: 'CONNECT' | 'DISCONNECT'): void {
    this.#events += 1;
    const { name, time } = this.#options;
    this.#send(`$SYS.ACCOUNT.${account}.${change}`, {
      id: `${name}-${Math.round(time.now)}-${this.#events}`,
      reason: 'Client Closed',
    });
  }
}
