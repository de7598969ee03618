import type { EncodingTask } from '#bus-schemas';
import type { JsonObject } from '../json.ts';
import type { Surface } from '../surfaces/surface.ts';

/**
 * One API for jobs whose results are numbers. Its requests are read into the task that a machine gets,
 * and its answers are written from the lines of results (`bus-schemas/encoding-results.ts`).
 */
export interface EncodingSurface
  extends Pick<Surface, 'path' | 'readsAnyContentType' | 'parameters' | 'whole' | 'error'> {
  /**
   * The fields are supported ones. Throws an ApiError that names the field at fault if the request
   * has no valid task.
   */
  readonly taskOf: (fields: JsonObject) => EncodingTask;
}
