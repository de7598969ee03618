import { CodedError } from '#bus-schemas/coded-error.ts';
import { checkerOf } from '#bus-schemas/platform.ts';
import { Type } from '#bus-schemas/type.ts';
import type { MdmConfig } from '#coordinator/config.ts';

type MdmErrorCode = 'unreachable' | 'refused' | 'malformed_answer' | 'unknown_device';

class MdmError extends CodedError<MdmErrorCode> {}

export interface Question {
  readonly udid: string;
  /** A UUID; the answer refers to it. */
  readonly command: string;
  /** At most 32 bytes, which Apple writes into the certificate. */
  readonly nonce: Uint8Array;
}

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 256 * 1024;
const devices = checkerOf(
  Type.Object({
    devices: Type.Union([
      Type.Array(
        Type.Object({
          serial_number: Type.String(),
          udid: Type.String({ maxLength: 64 }),
          enrollment_status: Type.Boolean(),
        }),
      ),
      Type.Null(),
    ]),
  }),
);

/**
 * A client for the few functions of MicroMDM that attestation needs: the UDID of a serial number,
 * one question to the device, and waking it up. It can send no other command.
 *
 * From its documentation (docs/user-guide/api-and-webhooks.md) and source, v1.13.1:
 * - basic auth, as the user `micromdm`;
 * - `POST /v1/devices` {filter_serial} answers {devices: […]}, or null if there is none;
 * - `POST /v1/commands/{udid}` queues a plist under the UUID that it contains, answers 201, and
 *   pushes to the device;
 * - `POST /v1/push/{udid}` pushes again; a failure is a 500.
 *
 * `POST /v1/commands` with JSON queues a command as well, but its DeviceInformation has no nonce:
 * MicroMDM drops a given nonce without an error.
 */
export class MicroMdm {
  readonly #config: Pick<MdmConfig, 'url' | 'apiKey'>;
  readonly #timeoutMs: number;

  constructor(config: Pick<MdmConfig, 'url' | 'apiKey'>, timeoutMs = TIMEOUT_MS) {
    this.#config = config;
    this.#timeoutMs = timeoutMs;
  }

  async udidOf(serial: string): Promise<string> {
    const answer = await this.#post(
      'v1/devices',
      'application/json',
      JSON.stringify({ filter_serial: [serial] }),
    );
    const found = jsonIn(answer);
    if (!devices.Check(found))
      throw new MdmError('malformed_answer', 'the answer of MDM is not a list of devices');
    const device = found.devices?.find(
      ({ serial_number, enrollment_status }) => serial_number === serial && enrollment_status,
    );
    if (device === undefined)
      throw new MdmError('unknown_device', 'MDM has no enrolled device with this serial number');
    return device.udid;
  }

  async ask(question: Question): Promise<void> {
    await this.#post(
      `v1/commands/${encodeURIComponent(question.udid)}`,
      'application/xml',
      deviceInformation(question),
    );
  }

  async push(udid: string): Promise<void> {
    await this.#post(`v1/push/${encodeURIComponent(udid)}`, 'application/json', '');
  }

  async #post(path: string, type: string, body: string): Promise<Uint8Array> {
    const { url, apiKey } = this.#config;
    const authorization = `Basic ${Buffer.from(`micromdm:${apiKey}`).toString('base64')}`;
    try {
      const response = await fetch(new URL(path, url.endsWith('/') ? url : `${url}/`), {
        method: 'POST',
        headers: { authorization, 'content-type': type },
        body,
        signal: AbortSignal.timeout(this.#timeoutMs),
        // A redirect could send the API key to another server.
        redirect: 'error',
      });
      const answer = await bounded(response);
      if (!response.ok)
        throw new MdmError('refused', `MDM answered with the HTTP status ${response.status}`);
      return answer;
    } catch (cause) {
      if (cause instanceof MdmError) throw cause;
      throw new MdmError('unreachable', 'MDM does not answer', { cause });
    }
  }
}

/**
 * By Apple's schema (information.device.yaml), the nonce has the type data and counts only together
 * with this query. No text from outside is inserted, so nothing needs to be escaped.
 */
function deviceInformation({ command, nonce }: Question): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Command</key>
  <dict>
    <key>RequestType</key>
    <string>DeviceInformation</string>
    <key>Queries</key>
    <array>
      <string>SerialNumber</string>
      <string>UDID</string>
      <string>DevicePropertiesAttestation</string>
    </array>
    <key>DeviceAttestationNonce</key>
    <data>${Buffer.from(nonce).toString('base64')}</data>
  </dict>
  <key>CommandUUID</key>
  <string>${command}</string>
</dict>
</plist>
`;
}

async function bounded({ body }: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES)
      throw new MdmError('malformed_answer', 'the answer of MDM is larger than 256 KiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function jsonIn(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch (cause) {
    throw new MdmError('malformed_answer', 'the answer of MDM is not JSON', { cause });
  }
}
