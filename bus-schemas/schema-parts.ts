import { Type } from './type.ts';

/** Parts that the schemas of several messages share. */

/** A whole number from 0 to the largest that JavaScript represents exactly, 2^53 - 1. */
export const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** A whole number from 0 to `maximum`. */
export const countUpTo = (maximum: number) => Type.Integer({ minimum: 0, maximum });
/** A whole number from 1 to 2^53 - 1. */
export const positive = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
/** An amount that may be negative. */
export const signed = Type.Integer({
  minimum: -Number.MAX_SAFE_INTEGER,
  maximum: Number.MAX_SAFE_INTEGER,
});
/** A point in time, in milliseconds since 1970, by the clock of the component that sends it. */
export const At = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** A field that a message may leave out. */
export const optional = Type.Optional;
/** A request without parameters, or a reply without content. */
export const nothing = Type.Object({});
