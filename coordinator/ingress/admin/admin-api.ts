import type { TObject, TSchema } from 'typebox';
import type { ServiceMethod } from '#bus-schemas';
import type { Api, RouteDefinition } from '../http/api.ts';

type Definition<
  Params extends TObject,
  Query extends TObject,
  Body extends TSchema,
  Reply extends TSchema,
> = Omit<RouteDefinition<Params, Query, Body, Reply>, 'access' | 'group'>;

/** Routes of operators. Every change is in the audit log. */
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
    this.#api.route({ ...definition, method: 'GET', access: 'operator', group: 'Operators' });
  }

  change<
    Params extends TObject,
    Query extends TObject,
    Body extends TSchema,
    Reply extends TSchema,
  >(action: string, definition: Definition<Params, Query, Body, Reply>): void {
    this.#api.route({ ...definition, access: 'operator', group: 'Operators', audit: action });
  }
}
