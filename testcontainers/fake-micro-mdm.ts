import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { TestAppleCa, TestDevice } from './test-apple-ca.ts';

/**
 * How a device reacts to its next commands. `asleep` ignores a push. `busy` answers NotNow. `errs`
 * answers that the command failed. `forbidden` omits the attestation, as a Mac does whose enrolment
 * does not grant the right to query it. `forged` sends bytes that are not a certificate.
 */
export type Mood = 'answers' | 'asleep' | 'busy' | 'errs' | 'forbidden' | 'forged';

export interface FakeDevice {
  readonly serial: string;
  /**
   * Identifier of the device in MDM. Its certificates contain another one, as those of a Mac do.
   */
  readonly udid: string;
  mood: Mood;
  /** The properties that Apple certifies for this device. */
  says: TestDevice;
  /**
   * The last attestation. A real device creates a new one at most once a week; until then it
   * answers with the last one, even if the command contains another nonce.
   */
  attested:
    | { readonly nonce: Buffer; readonly chain: readonly Uint8Array[]; readonly at: number }
    | undefined;
  readonly queue: Command[];
}

interface Command {
  readonly uuid: string;
  readonly nonce: Buffer;
}

/**
 * A failure of the API: `down` closes every connection, `failing` answers 500, and `slow` queues
 * the command and never answers.
 */
export type Trouble = 'none' | 'down' | 'failing' | 'slow';

const WEEK_MS = 7 * 24 * 3_600_000;

/**
 * A server with the part of MicroMDM's HTTP API that the coordinator uses, together with the
 * devices that it manages. It sends events to the coordinator's webhook.
 */
export class FakeMicroMdm implements AsyncDisposable {
  readonly apiKey = 'fake-api-key';
  trouble: Trouble = 'none';
  /** URL that events are sent to; undefined sends none. */
  webhook: string | undefined;
  /** Method and path of each authorised request, such as `POST /v1/devices`. */
  readonly asked: string[] = [];
  /** Every event that was sent, with the HTTP status of the response. */
  readonly sent: { readonly body: string; readonly status: number }[] = [];
  now: () => number = Date.now;
  readonly #apple: TestAppleCa;
  readonly #devices = new Map<string, FakeDevice>();
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  readonly #working = new Set<Promise<unknown>>();

  private constructor(apple: TestAppleCa) {
    this.#apple = apple;
  }

  static async start(apple: TestAppleCa): Promise<FakeMicroMdm> {
    const fake = new FakeMicroMdm(apple);
    await new Promise<void>((listening) => fake.#server.listen(0, '127.0.0.1', listening));
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  enrol(serial: string, says: TestDevice = {}): FakeDevice {
    const device: FakeDevice = {
      serial,
      udid: randomUUID().toUpperCase(),
      mood: 'answers',
      attested: undefined,
      queue: [],
      says: {
        serialNumber: serial,
        udid: '00008103-000000000000001E',
        sip: 0,
        secureBoot: 'Full Security',
        ...says,
      },
    };
    this.#devices.set(device.udid, device);
    return device;
  }

  /** Gives the device an attestation with this nonce, as if it was created at the time `at`. */
  attest(device: FakeDevice, nonce: Buffer, at = this.now()): void {
    device.attested = {
      nonce,
      at,
      chain: this.#apple.attest({ ...device.says, freshness: nonce }),
    };
  }

  /** The device fetches its queued commands, as after a push or when it connects by itself. */
  async wake(device: FakeDevice): Promise<void> {
    if (device.mood === 'asleep') return;
    // A busy device keeps the commands in the queue and fetches them again later, as a real one
    // does.
    const waiting = device.mood === 'busy' ? [...device.queue] : device.queue.splice(0);
    for (const command of waiting)
      await this.tell(device, command.uuid, this.#answer(device, command));
  }

  /** Sends an event to the webhook; a test can choose any device, command and status. */
  async tell(
    device: Pick<FakeDevice, 'udid'>,
    command: string,
    { status, queryResponses = '' }: { status: string; queryResponses?: string },
  ): Promise<number> {
    const plist =
      plistOf(`<key>CommandUUID</key><string>${command}</string>${queryResponses}<key>Status</key><string>${status}</string>
      <key>UDID</key><string>${device.udid}</string>`);
    const event = {
      udid: device.udid,
      status,
      command_uuid: command,
      url_params: null,
      raw_payload: Buffer.from(plist).toString('base64'),
    };
    return this.send(
      JSON.stringify({
        topic: 'mdm.Connect',
        event_id: randomUUID(),
        created_at: new Date(this.now()).toISOString(),
        acknowledge_event: event,
      }),
    );
  }

  /**
   * Sends a body to the webhook. Credentials in its URL become basic auth, as in Go's HTTP client.
   */
  async send(body: string): Promise<number> {
    if (this.webhook === undefined) return 0;
    const url = new URL(this.webhook);
    const authorization = `Basic ${Buffer.from([url.username, url.password].map(decodeURIComponent).join(':')).toString('base64')}`;
    const hasSecret = url.password !== '';
    url.username = '';
    url.password = '';
    const headers = {
      'content-type': 'application/json; charset=utf-8',
      ...(hasSecret && { authorization }),
    };
    const { status } = await fetch(url, { method: 'POST', headers, body });
    this.sent.push({ body, status });
    return status;
  }

  #answer(device: FakeDevice, { nonce }: Command): { status: string; queryResponses?: string } {
    if (device.mood === 'busy') return { status: 'NotNow' };
    if (device.mood === 'errs') return { status: 'Error' };
    const known = `<key>UDID</key><string>${device.udid}</string>`;
    const responses = (more: string) => ({
      status: 'Acknowledged',
      queryResponses: `<key>QueryResponses</key><dict>${known}${more}</dict>`,
    });
    if (device.mood === 'forbidden') return responses('');
    const chain =
      device.mood === 'forged' ? [Buffer.from('no certificate')] : this.#chainFor(device, nonce);
    const data = chain.map(
      (certificate) =>
        `<data>\n${(
          Buffer.from(certificate)
            .toString('base64')
            .match(/.{1,68}/g) ?? []
        ).join('\n')}\n</data>`,
    );
    return responses(
      `<key>SerialNumber</key><string>${device.serial}</string><key>DevicePropertiesAttestation</key><array>${data.join('\n')}</array>`,
    );
  }

  #chainFor(device: FakeDevice, nonce: Buffer): readonly Uint8Array[] {
    const { attested } = device;
    if (
      attested === undefined ||
      (!attested.nonce.equals(nonce) && this.now() - attested.at >= WEEK_MS)
    )
      this.attest(device, nonce);
    return device.attested?.chain ?? [];
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    if (this.trouble === 'down') return void request.socket.destroy();
    const answer = (status: number, value: object) =>
      response
        .writeHead(status, { 'content-type': 'application/json; charset=utf-8' })
        .end(JSON.stringify(value, null, 2));
    if (
      request.headers.authorization !==
      `Basic ${Buffer.from(`micromdm:${this.apiKey}`).toString('base64')}`
    )
      return void answer(401, { error: 'unauthorized' });
    const what = `${request.method} ${request.url}`;
    this.asked.push(what);
    if (this.trouble === 'failing') return void answer(500, { error: 'the database is not open' });
    const done = this.#do(what, body);
    if (this.trouble === 'slow') return;
    answer(done.status, done.body);
  }

  #do(what: string, body: string): { status: number; body: object } {
    const [, call, udid = ''] =
      /^(POST \/v1\/(?:devices|commands|push))(?:\/([^/]+))?$/.exec(what) ?? [];
    const device = this.#devices.get(decodeURIComponent(udid));
    switch (call) {
      case 'POST /v1/devices': {
        const { filter_serial: wanted = [] } = JSON.parse(body) as { filter_serial?: string[] };
        const found = [...this.#devices.values()].filter(
          ({ serial }) => wanted.length === 0 || wanted.includes(serial),
        );
        const devices = found.map(({ serial, udid }) => ({
          serial_number: serial,
          udid,
          enrollment_status: true,
          last_seen: new Date(0),
          dep_profile_status: '',
        }));
        return { status: 200, body: { devices: devices.length > 0 ? devices : null } };
      }
      case 'POST /v1/commands': {
        const uuid = /<key>CommandUUID<\/key>\s*<string>([^<]+)</.exec(body)?.[1];
        const type = /<key>RequestType<\/key>\s*<string>([^<]+)</.exec(body)?.[1];
        const nonce = /<key>DeviceAttestationNonce<\/key>\s*<data>([^<]+)</.exec(body)?.[1];
        if (uuid === undefined || type !== 'DeviceInformation' || nonce === undefined)
          return { status: 500, body: { error: 'request is malformed' } };
        // Unknown devices are accepted here: MicroMDM notices only at the push that there is none.
        device?.queue.push({ uuid, nonce: Buffer.from(nonce, 'base64') });
        if (device) this.#push(device);
        return {
          status: 201,
          body: {
            payload: {
              udid,
              command_uuid: uuid,
              command: { request_type: type },
              payload: Buffer.from(body).toString('base64'),
            },
          },
        };
      }
      case 'POST /v1/push':
        if (device === undefined)
          return { status: 500, body: { error: 'retrieving PushInfo by UDID' } };
        this.#push(device);
        return { status: 200, body: { status: 'success', push_notification_id: randomUUID() } };
      default:
        return { status: 404, body: { error: 'not found' } };
    }
  }

  #push(device: FakeDevice): void {
    const woken = this.wake(device).catch(() => undefined);
    this.#working.add(woken);
    void woken.finally(() => this.#working.delete(woken));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.webhook = undefined;
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
    await Promise.all(this.#working);
  }
}

const plistOf = (fields: string): string => `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
${fields}
</dict>
</plist>
`;
