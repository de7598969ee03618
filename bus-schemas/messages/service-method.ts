import type { MessageKind } from '../codec.ts';
import { type ComponentName, core } from '../subjects.ts';

export interface ServiceMethod<Request, Reply> {
  readonly component: ComponentName;
  readonly method: string;
  readonly subject: string;
  readonly request: MessageKind<Request>;
  readonly reply: MessageKind<Reply>;
}

export function method<Request, Reply>(
  component: ComponentName,
  name: string,
  request: MessageKind<Request>,
  reply: MessageKind<Reply>,
): ServiceMethod<Request, Reply> {
  return { component, method: name, subject: core.service(component, name), request, reply };
}
