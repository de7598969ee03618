import { defineMessage, type MessageKind } from '../codec.ts';
import { type ComponentName, core } from '../subjects.ts';
import { type Static, type TProperties, type TSchema, Type } from '../type.ts';

export interface ServiceMethod<Request, Reply> {
  readonly component: ComponentName;
  readonly method: string;
  readonly subject: string;
  readonly request: MessageKind<Request>;
  readonly reply: MessageKind<Reply>;
}

/** Returns a function that defines the methods of a component: `define(name, request, reply)`. */
export function methodsOf(component: ComponentName) {
  return <Request extends TSchema, Reply extends TSchema>(
    name: string,
    request: Request,
    reply: Reply,
  ): ServiceMethod<Static<Request>, Static<Reply>> => ({
    component,
    method: name,
    subject: core.service(component, name),
    request: defineMessage(`${component}.${name}`, request),
    reply: defineMessage(`${component}.${name}.reply`, reply),
  });
}

/** Returns the same method, addressed to one cell of the fleet. */
export function inCell<Request, Reply>(
  method: ServiceMethod<Request, Reply>,
  cell: number,
): ServiceMethod<Request, Reply> {
  return { ...method, method: `${method.method}-${cell}`, subject: `${method.subject}.${cell}` };
}

/**
 * Schemas of the two kinds of reply. A refusal that callers must handle is a part of the reply's
 * type.
 */
export const ok = <Fields extends TProperties>(fields: Fields) =>
  Type.Object({ ok: Type.Literal(true), ...fields });
export const refused = <const Codes extends string[]>(codes: readonly [...Codes]) =>
  Type.Object({ ok: Type.Literal(false), code: Type.Enum(codes) });
