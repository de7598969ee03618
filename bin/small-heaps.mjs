// Lets the C library keep two heaps in each process instead of eight for each core: the threads of Node
// leave memory in each of them that no other thread can use
// (docs/decisions/0217-a-start-loads-what-it-uses.md).

/** Counts for the processes that are started with this environment. @param {NodeJS.ProcessEnv} env */
export function shareHeaps(env) {
  env['MALLOC_ARENA_MAX'] ??= '2';
}
