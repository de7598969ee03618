import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ApiError } from '#http-api/errors.ts';

/** Largest file of an upload, in bytes. */
const MAX_FILE_BYTES = 16 * 1_024 * 1_024;
/**
 * Limits of one form. Without them a small part of the body could name so many fields that reading
 * them keeps the ingress busy for seconds.
 */
const LIMITS = {
  files: 1,
  fields: 8,
  parts: 9,
  headerPairs: 16,
  fieldNameSize: 100,
  fieldSize: 1_024,
  fileSize: MAX_FILE_BYTES,
};

interface UploadedFile {
  readonly filename: string;
  readonly content: Buffer;
  readonly fields: ReadonlyMap<string, string>;
}

/** Lets the routes of this scope receive forms with a file. */
export async function acceptUploads(scope: FastifyInstance): Promise<void> {
  await scope.register(multipart, { limits: LIMITS });
}

export async function readUpload(request: FastifyRequest): Promise<UploadedFile> {
  if (!request.isMultipart())
    throw new ApiError('unsupported_media_type', 'Send the file as multipart/form-data.');
  const fields = new Map<string, string>();
  let file: Pick<UploadedFile, 'filename' | 'content'> | undefined;
  try {
    for await (const part of request.parts()) {
      if (part.type === 'field') fields.set(part.fieldname, String(part.value));
      else if (part.fieldname === 'file')
        file = { filename: part.filename, content: await part.toBuffer() };
      else throw new ApiError('invalid_request', 'The only file of the form must be named "file".');
    }
  } catch (error) {
    throw error instanceof ApiError ? error : unreadable(error);
  }
  if (file === undefined)
    throw new ApiError('invalid_request', 'file is missing.', { param: 'file' });
  return { ...file, fields };
}

function unreadable(cause: unknown): ApiError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return code === 'FST_REQ_FILE_TOO_LARGE'
    ? new ApiError('payload_too_large', 'A file has at most 16 MiB.', { param: 'file', cause })
    : new ApiError('invalid_request', 'The form cannot be read, or has too many fields.', {
        cause,
      });
}
