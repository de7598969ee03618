import { BATCH_ENDS } from '#bus-schemas';
import type { FigureTable } from '../metric.ts';

/** The figures of the ingress. */
export const ingressFigures = {
  dinf_ingress_jobs_running: {
    part: 'ingress',
    type: 'gauge',
    help: 'Jobs that run on this ingress',
  },
  dinf_http_rejected_total: {
    part: 'ingress',
    type: 'counter',
    help: 'Requests that got an error instead of an answer, by its code',
    labels: ['code'],
  },
  dinf_ingress_admission_waiting: {
    part: 'ingress',
    type: 'gauge',
    help: 'Requests that this ingress has not begun, because its processor is busy',
  },
  dinf_console_streams: {
    part: 'ingress',
    type: 'gauge',
    help: 'Pages of the console that receive events',
  },
  dinf_http_connections: {
    part: 'ingress',
    type: 'gauge',
    help: 'Open connections of clients',
  },
  dinf_http_connections_refused_total: {
    part: 'ingress',
    type: 'counter',
    help: 'Connections closed because too many were open',
  },
  dinf_https_certificate_expires_seconds: {
    part: 'ingress',
    type: 'gauge',
    help: 'Time at which the certificate of the API expires, in seconds since 1970',
  },
  dinf_batches_running: {
    part: 'ingress',
    type: 'gauge',
    help: 'Batches that this ingress runs',
  },
  dinf_batches_ended_total: {
    part: 'ingress',
    type: 'counter',
    help: 'Batches that this ingress ended: completed, failed, expired or cancelled',
    labels: ['outcome'],
    begins: BATCH_ENDS,
  },
  dinf_batch_lines_total: {
    part: 'ingress',
    type: 'counter',
    help: 'Lines of batches whose result was stored: an answer (output) or an error',
    labels: ['outcome'],
    begins: ['output', 'error'],
  },
  dinf_batch_line_delays_total: {
    part: 'ingress',
    type: 'counter',
    help: 'Attempts at lines of batches that will be repeated, by the code of their error',
    labels: ['code'],
  },
  dinf_recounts_total: {
    part: 'ingress',
    type: 'counter',
    help: 'Answers that were to be recounted with the tokenizer of their model',
    labels: ['outcome'],
  },
} as const satisfies FigureTable;
