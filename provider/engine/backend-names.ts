/** What can run real models, in the order of preference. */
export const BACKENDS = ['mlx', 'webgpu', 'cpu', 'reference'] as const;
export type BackendName = (typeof BACKENDS)[number];
