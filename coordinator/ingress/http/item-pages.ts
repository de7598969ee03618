import { Type } from '#bus-schemas/type.ts';
import { invalid, type JsonObject } from '#http-api/core/json.ts';
import { optional } from './api.ts';

/** Pages of lists, as OpenAI's clients ask for them. */

const MOST = 100;
const DEFAULT = 20;

const pageQuery = {
  after: optional(Type.String({ description: 'Id of the last row of the page before.' })),
  limit: optional(Type.Integer({ minimum: 1, maximum: MOST, default: DEFAULT })),
  order: optional(
    Type.Enum(['asc', 'desc'], { default: 'desc', description: '`desc`: the newest row first.' }),
  ),
};
export const ItemsQuery = Type.Object(pageQuery);

/** An object in the format of OpenAI's API, which has more fields than are described here. */
export const LooseObject = Type.Object({}, { additionalProperties: true });
export const ItemPage = Type.Object({
  object: Type.Literal('list'),
  data: Type.Array(LooseObject),
  first_id: Type.Union([Type.String(), Type.Null()]),
  last_id: Type.Union([Type.String(), Type.Null()]),
  has_more: Type.Boolean(),
});

interface PageQuery {
  readonly after?: string;
  readonly limit?: number;
  readonly order?: 'asc' | 'desc';
}

/** A page of rows, which must come with the oldest first. */
export function pageOf<Row extends JsonObject>(
  rows: readonly Row[],
  { after, limit = DEFAULT, order = 'desc' }: PageQuery,
) {
  const sorted = order === 'asc' ? rows : rows.toReversed();
  const before = after === undefined ? -1 : sorted.findIndex(({ id }) => id === after);
  if (after !== undefined && before === -1)
    throw invalid('after', 'after must be the id of a row of this list.');
  const data = sorted.slice(before + 1, before + 1 + limit);
  const idOf = (row: Row | undefined) => (row === undefined ? null : String(row['id']));
  return {
    object: 'list' as const,
    data,
    first_id: idOf(data[0]),
    last_id: idOf(data.at(-1)),
    has_more: before + 1 + limit < sorted.length,
  };
}
