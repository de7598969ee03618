import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly status: { readonly code?: number };
  /** Name of the program that sent the span. */
  readonly service: string;
}

export interface ReceivedHistogram {
  readonly name: string;
  readonly unit: string;
  readonly histogram: {
    readonly dataPoints: readonly {
      readonly attributes: readonly Attribute[];
      readonly count: string;
      readonly sum: number;
      readonly bucketCounts: readonly string[];
      readonly explicitBounds: readonly number[];
    }[];
  };
}

/** Receives what programs send to a collector of OpenTelemetry, as JSON over HTTP. */
export class OtlpReceiver implements AsyncDisposable {
  readonly #server = createServer((request, response) => {
    void text(request).then((body) => {
      this.bodies.push(body);
      this.headers.push(request.headers['x-test']);
      if (request.url === '/v1/traces') this.#takeSpans(body);
      if (request.url === '/v1/metrics') this.#takeHistograms(body);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  readonly bodies: string[] = [];
  readonly headers: unknown[] = [];
  readonly spans: ReceivedSpan[] = [];
  histograms: ReceivedHistogram[] = [];

  static async start(): Promise<OtlpReceiver> {
    const receiver = new OtlpReceiver();
    await new Promise<void>((listening) =>
      receiver.#server.listen(0, '127.0.0.1', () => listening()),
    );
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #takeSpans(body: string): void {
    for (const { resource, scopeSpans } of JSON.parse(body).resourceSpans) {
      const service = attributeOf(resource.attributes, 'service.name');
      for (const { spans } of scopeSpans)
        this.spans.push(...spans.map((span: object) => ({ ...span, service })));
    }
  }

  #takeHistograms(body: string): void {
    for (const { scopeMetrics } of JSON.parse(body).resourceMetrics)
      for (const { metrics } of scopeMetrics) this.histograms.push(...metrics);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }
}

/** The value of an attribute, without its type. */
export const attributeOf = (attributes: readonly Attribute[], key: string): unknown =>
  Object.values(attributes.find((attribute) => attribute.key === key)?.value ?? {})[0];
