/**
 * Waits for parts that start at the same time, and throws the first failure only when all have ended their
 * start: each owner has then noted what it must stop.
 */
export async function startTogether<Parts extends readonly unknown[]>(
  ...starting: { readonly [Index in keyof Parts]: Promise<Parts[Index]> }
): Promise<Parts> {
  const ends = await Promise.allSettled(starting);
  return ends.map((end) => {
    if (end.status === 'rejected') throw end.reason;
    return end.value;
  }) as unknown as Parts;
}
