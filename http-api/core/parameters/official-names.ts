import { isObject, type JsonObject } from '../json.ts';

/**
 * Reads the names of request parameters from published schemas: an OpenAPI document, the list of
 * OpenRouter's parameters, and the type declarations of an SDK. A parameter of an object has the
 * name `object.parameter`.
 */

/** Names of the fields of each `POST` route of an OpenAPI document, by path. */
export function namesInOpenApi(document: JsonObject): Record<string, string[]> {
  const routes = Object.entries(objectAt(document, 'paths')).map(([path, operations]) => {
    const content = objectAt(operations, 'post', 'requestBody', 'content', 'application/json');
    return [path, namesOf(fieldsOf(content['schema'], document), document)] as const;
  });
  return Object.fromEntries(routes.filter(([, names]) => names.length > 0));
}

/** Names of the fields of each `POST` route in the list of OpenRouter's parameters, by path. */
export function namesInList(list: JsonObject): Record<string, string[]> {
  const routes = Object.entries(list).flatMap(([route, entry]) => {
    const [method, path = ''] = route.split(' ');
    const body = objectAt(entry, 'body');
    return method === 'POST' ? [[path, namesOf(body, {})] as const] : [];
  });
  return Object.fromEntries(routes.filter(([, names]) => names.length > 0));
}

/** Names of the fields of an exported interface in a file of type declarations. */
export function namesInInterface(declarations: string, name: string): string[] {
  const [, after] = declarations.split(`export interface ${name} {\n`, 2);
  const [body = ''] = (after ?? '').split('\n}\n', 1);
  return [...body.matchAll(/^ {4}(\w+)\??:/gm)].map(([, field = '']) => field).toSorted();
}

function namesOf(fields: JsonObject, document: JsonObject): string[] {
  return Object.entries(fields)
    .flatMap(([field, schema]) => [
      field,
      ...Object.keys(fieldsOf(schema, document)).map((inner) => `${field}.${inner}`),
    ])
    .toSorted();
}

/** The properties of a schema, through references and through every form of a union. */
function fieldsOf(schema: unknown, document: JsonObject, seen: readonly string[] = []): JsonObject {
  if (!isObject(schema)) return {};
  const reference = schema['$ref'];
  if (typeof reference === 'string')
    return seen.includes(reference)
      ? {}
      : fieldsOf(objectAt(document, ...reference.slice(2).split('/')), document, [
          ...seen,
          reference,
        ]);
  const forms = ['allOf', 'anyOf', 'oneOf'].flatMap((key) => schema[key] ?? []);
  return Object.assign(
    {},
    ...forms.map((form) => fieldsOf(form, document, seen)),
    objectAt(schema, 'properties'),
  );
}

function objectAt(value: unknown, ...path: readonly string[]): JsonObject {
  const found = path.reduce<unknown>((at, key) => (isObject(at) ? at[key] : undefined), value);
  return isObject(found) ? found : {};
}
