import { basename } from 'node:path';
import { fromHex, isSame, modelEntry } from '#bus-schemas';
import { cachedModels, removeModel } from '../downloads/cached-models.ts';
import type { HubApi } from '../downloads/hub-api.ts';
import { isRepository } from '../downloads/hub-cache.ts';
import { type Progress, pullModel } from '../downloads/pull-model.ts';
import { findModel } from '../models/find-model.ts';
import { ModelFolder } from '../models/model-folder.ts';
import { weightsDigest } from '../models/weights-digest.ts';
import { DesiredError } from './desired-error.ts';

/** A build that the network wants here; `weights` is the digest of its files in hexadecimal. */
export interface WantedBuild {
  readonly model: string;
  readonly build: string;
  readonly repository: string;
  readonly weights: string;
  readonly reason: string;
}

export interface FetchBuildOptions {
  readonly wanted: WantedBuild;
  readonly hub: HubApi;
  /** Whether the log of the network, whose key this machine knows, contains the entry. */
  readonly isLogged: (entry: Uint8Array) => Promise<boolean>;
  /** Called before anything is downloaded; throws if so many bytes are too much. */
  readonly reserve: (bytes: number) => Promise<void>;
  readonly onProgress: (progress: Progress) => void;
  readonly signal: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * Whether the names of an order fit together. The names are shown to the owner and become a path, so
 * an order of a hostile coordinator with others is ignored.
 */
export const isPlausible = ({ build, repository }: WantedBuild): boolean =>
  isRepository(repository) && basename(repository) === build;

/**
 * Downloads a build and compares the digest of its files with the one that the network states.
 *
 * The attack: somebody who answers in place of the coordinator, or an operator who wants to deceive
 * one owner, has this machine download and serve other files. Only a digest that everybody sees in
 * the transparency log is accepted, and nothing is downloaded before it was found there.
 */
export async function fetchBuild({
  wanted,
  hub,
  isLogged,
  reserve,
  onProgress,
  signal,
  env = process.env,
}: FetchBuildOptions): Promise<void> {
  const { model, build, repository } = wanted;
  const weights = fromHex(wanted.weights);
  if (!(await isLogged(modelEntry({ name: model, build, weights, active: true }))))
    throw new DesiredError(
      'not_logged',
      `The log of the network has no entry for ${build} with the digest ${wanted.weights}. Ask the operator of the network.`,
    );
  const known = await cachedModels(env);
  const wasThere = known.some(({ name, isComplete }) => name === repository && isComplete);
  await pullModel({
    hub,
    name: repository,
    revision: 'main',
    force: false,
    env,
    signal,
    reserve,
    onFit: () => {},
    onProgress,
  });
  const { path } = await findModel(repository, env);
  if (isSame(await weightsDigest(await ModelFolder.open(path)), weights)) return;
  if (!wasThere) await removeModel(repository, env);
  throw new DesiredError(
    'other_weights',
    `The files of ${repository} are not those that the network names, so they are not served${wasThere ? '' : ' and were deleted'}.`,
  );
}
