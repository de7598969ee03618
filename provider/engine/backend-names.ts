/** The backends that can run real models, in the order in which they are tried. */
export const BACKENDS = ['mlx', 'webgpu', 'cpu', 'reference'] as const;
export type BackendName = (typeof BACKENDS)[number];
/** The engine that calls a model server of another project by the API of OpenAI. */
export const OPENAI = 'openai';
