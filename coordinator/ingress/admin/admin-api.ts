import type { TObject, TSchema } from 'typebox';
import { randomToken, type ServiceMethod, services } from '#bus-schemas';
import { ApiError } from '../errors.ts';
import type { Api, Asked, RouteDefinition } from '../http/api.ts';

type Definition<Params extends TObject, Query extends TObject, Body extends TSchema, Reply extends TSchema> = Omit<
  RouteDefinition<Params, Query, Body, Reply>,
  'who' | 'group'
>;

/** Routes of operators. Every change is on the record: before it is made, so that none is made that is not written down, and how it went. */
export class AdminApi {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  ask<Request, Reply>(method: ServiceMethod<Request, Reply>, request: Request): Promise<Reply> {
    return this.#api.ask(method, request);
  }

  read<Params extends TObject, Query extends TObject, Body extends TSchema, Reply extends TSchema>(
    definition: Omit<Definition<Params, Query, Body, Reply>, 'method'>,
  ): void {
    this.#api.route({ ...definition, method: 'GET', who: 'operator', group: 'Operators' });
  }

  change<Params extends TObject, Query extends TObject, Body extends TSchema, Reply extends TSchema>(
    action: string,
    definition: Definition<Params, Query, Body, Reply>,
  ): void {
    this.#api.route({ ...definition, who: 'operator', group: 'Operators', handle: (asked) => this.#audited(action, asked, () => definition.handle(asked)) });
  }

  async #audited<Reply>(action: string, { params, body, request }: Asked<unknown, unknown, unknown>, work: () => Promise<Reply>): Promise<Reply> {
    const subject = Object.values((params ?? {}) as Record<string, string>).join(' ');
    const row = { id: `audit_${randomToken(20)}`, operator: request.operator ?? '', action, subject, detail: JSON.stringify(body ?? {}).slice(0, 16_000) };
    await this.#api.ask(services.accounts.audit, { ...row, outcome: 'begun' });
    try {
      const reply = await work();
      await this.#api.ask(services.accounts.audit, { ...row, outcome: 'done' });
      return reply;
    } catch (error) {
      await this.#api.ask(services.accounts.audit, { ...row, outcome: error instanceof ApiError ? error.code : 'failed' });
      throw error;
    }
  }
}
