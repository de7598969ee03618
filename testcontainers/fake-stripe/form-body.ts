/**
 * A parsed form with nested names such as `line_items[0][price_data][currency]=usd`. Lists become
 * objects with their indices as names.
 */
export interface Form {
  readonly [name: string]: string | Form;
}

export function parseForm(text: string): Form {
  const form: Record<string, unknown> = {};
  for (const [name, value] of new URLSearchParams(text)) {
    const path = name.replaceAll(']', '').split('[');
    const last = path.pop() as string;
    let place: Record<string, unknown> = form;
    for (const step of path) {
      place[step] ??= {};
      place = place[step] as Record<string, unknown>;
    }
    place[last] = value;
  }
  return form as Form;
}

/** Returns the text at a path, or an empty text if there is none. */
export function field(form: Form, ...path: readonly string[]): string {
  let place: string | Form | undefined = form;
  for (const step of path) place = typeof place === 'object' ? place[step] : undefined;
  return typeof place === 'string' ? place : '';
}

/** Returns the texts of an object without nested values, such as metadata. */
export function strings(form: Form, name: string): Record<string, string> {
  const map = form[name];
  return typeof map === 'object'
    ? Object.fromEntries(
        Object.entries(map).filter(
          (entry): entry is [string, string] => typeof entry[1] === 'string',
        ),
      )
    : {};
}
