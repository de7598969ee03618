import type { ServerResponse } from 'node:http';
import type { Finish, Usage } from '#bus-schemas';
import type { Answer } from '../answer.ts';
import { type ChatHead, ChatStream, chatCompletion } from '../core/chat-chunks.ts';
import type { ApiError } from '../errors.ts';
import { endWithin, sendError, sendJson } from './respond.ts';

/** Server-sent events. No byte leaves before the first content, so that a status code is still possible until then. */
export class ChatStreamAnswer implements Answer {
  readonly #response: ServerResponse;
  readonly #stream: ChatStream;
  readonly #includeUsage: boolean;

  constructor(response: ServerResponse, head: ChatHead, options: { includeUsage: boolean }) {
    this.#response = response;
    this.#stream = new ChatStream(head);
    this.#includeUsage = options.includeUsage;
  }

  write(text: string): boolean {
    this.#begin();
    return this.#response.write(this.#stream.text(text));
  }

  /** A stream commits with its first content, so there is never anything to forget. */
  discard(): void {}

  finish(finish: Finish, usage: Usage): void {
    this.#begin();
    endWithin(this.#response, this.#stream.finish(finish, this.#includeUsage ? usage : undefined));
  }

  reject(error: ApiError): void {
    sendError(this.#response, error);
  }

  cut(error: ApiError): void {
    endWithin(this.#response, `data: ${JSON.stringify(error.toBody())}\n\n`);
  }

  #begin(): void {
    if (this.#response.headersSent) return;
    this.#response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      // Proxies that collect a response before they pass it on would undo the streaming.
      'x-accel-buffering': 'no',
    });
  }
}

/** One JSON object at the end. */
export class ChatWholeAnswer implements Answer {
  readonly #response: ServerResponse;
  readonly #head: ChatHead;
  #text: string[] = [];

  constructor(response: ServerResponse, head: ChatHead) {
    this.#response = response;
    this.#head = head;
  }

  write(text: string): boolean {
    this.#text.push(text);
    return true;
  }

  discard(): void {
    this.#text = [];
  }

  finish(finish: Finish, usage: Usage): void {
    sendJson(this.#response, 200, chatCompletion(this.#head, { text: this.#text.join(''), finish, usage }));
  }

  reject(error: ApiError): void {
    sendError(this.#response, error);
  }

  cut(error: ApiError): void {
    sendError(this.#response, error);
  }
}
