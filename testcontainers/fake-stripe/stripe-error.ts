/** An error that is sent in the format of Stripe's API. */
export class StripeFault extends Error {
  readonly status: number;
  readonly type: string;
  readonly code: string | undefined;

  constructor(status: number, type: string, message: string, code?: string) {
    super(message);
    this.status = status;
    this.type = type;
    this.code = code;
  }

  get body(): object {
    return {
      error: { type: this.type, message: this.message, ...(this.code && { code: this.code }) },
    };
  }
}

export const invalidRequest = (message: string, code?: string) =>
  new StripeFault(400, 'invalid_request_error', message, code);
export const missing = (what: string) =>
  new StripeFault(404, 'invalid_request_error', `No such ${what}`, 'resource_missing');
