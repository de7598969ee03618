import type { FastifyInstance } from 'fastify';
import { ConsoleFiles } from '../console/console-files.ts';
import { servePages } from '../console/page-routes.ts';

const PATHS = [
  'incidents',
  'breakers',
  'routing',
  'money',
  'rewards',
  'people',
  'models',
  'trust',
  'bus',
  'audit',
] as const;

/** Serves the operators' pages on their listener. They contain no data: that needs an operator key. */
export function addOperatorPages(server: FastifyInstance, folder: string): void {
  servePages(server, { files: new ConsoleFiles(folder), page: 'operator.html', paths: PATHS });
}
