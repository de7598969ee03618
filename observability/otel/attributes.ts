/**
 * Attributes of spans and figures. Their values are codes, names of models and numbers: never a
 * prompt, an answer, an account or a key.
 */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** The form of attributes in OTLP's JSON. */
export function otlpAttributes(attributes: Attributes) {
  return Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: otlpValue(value) }],
  );
}

function otlpValue(value: string | number | boolean) {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}
