import { parentPort } from 'node:worker_threads';
import { type BodyQuestion, OpenBody } from './body-question.ts';

/** The thread that parses, checks and encodes the bodies of large requests, one after another. */

const body = new OpenBody();

parentPort?.on('message', (question: BodyQuestion) => {
  const { answer, transfer } = body.answer(question);
  parentPort?.postMessage(answer, transfer);
});
