/**
 * Waits for work that goes on at the same time, and throws the first failure only when all of it has ended: each owner has
 * then noted what must be stopped or deleted.
 */
export async function allEnded<Results extends readonly unknown[]>(
  ...work: { readonly [Index in keyof Results]: Promise<Results[Index]> }
): Promise<Results> {
  const ends = await Promise.allSettled(work);
  return ends.map((end) => {
    if (end.status === 'rejected') throw end.reason;
    return end.value;
  }) as unknown as Results;
}
