import type { Measurement } from '../engine/measured-speeds.ts';
import type { State } from '../service/control-api.ts';
import type { Settings } from '../service/settings.ts';
import type { ModelServerFact } from './model-server.ts';

/** Facts about the machine that the checks of `dinf provider doctor` judge. Undefined stands for a fact that is unknown. */
export interface Facts {
  readonly platform: NodeJS.Platform;
  readonly nodeVersion: string;
  readonly programVersion: string;
  readonly isRoot: boolean;
  /** Names of the variables that name a proxy. */
  readonly proxies: readonly string[];
  readonly checksCertificates: boolean;
  readonly allowsInsecure: boolean;
  readonly hasNodeOptions: boolean;
  readonly home: string;
  /** Free bytes of the disk with the folder of this machine, and with the cache of models. */
  readonly homeFree: number | undefined;
  readonly cacheFree: number | undefined;
  /** Memory of this machine for models, and memory that is free now, in bytes. */
  readonly memoryForModels: number;
  readonly memoryFree: number;
  /** Most files that a process may have open. */
  readonly openFiles: number | undefined;
  /** Permission bits of the folder (`.`) and its files; a file that does not exist is missing. */
  readonly modes: Readonly<Record<string, number>>;
  readonly natsServer: { readonly version: string } | { readonly fault: string };
  /** Why the native part is not built; undefined if it is. */
  readonly nativeFault: string | undefined;
  readonly engine:
    | { readonly name: string; readonly isSoftware: boolean }
    | { readonly fault: string };
  readonly enrolment: { readonly provider: string; readonly coordinatorUrl?: string } | undefined;
  readonly credentialsExpireAt: number | undefined;
  /** Time at which the certificate of the hubs' authority expires; undefined without one. */
  readonly hubCaExpiresAt: number | undefined;
  readonly settings: Settings | undefined;
  /** Undefined if an engine of this program runs the models. */
  readonly modelServer: ModelServerFact | undefined;
  /** The chosen models; none with a model server, which has their files. */
  readonly models: readonly ModelFact[];
  /** Results of `dinf provider benchmark`. */
  readonly measurements: readonly Measurement[];
  readonly coordinator: CoordinatorFact;
  /** Addresses of hubs, and why each cannot be reached; undefined if it can. */
  readonly hubs: readonly { readonly address: string; readonly fault: string | undefined }[];
  readonly service: State | undefined;
  readonly serviceVersion: string | undefined;
  readonly isInstalled: boolean;
  /** Whether services of this user go on after they log out; undefined without systemd. */
  readonly lingers: boolean | undefined;
  readonly hasBattery: boolean;
  readonly isOnBattery: boolean;
  /** Minutes without input after which the computer sleeps; 0 for never. */
  readonly sleepMinutes: number | undefined;
  /** Receipts that the network has not acknowledged. */
  readonly receiptsWaiting: number;
  readonly now: number;
}

export interface ModelFact {
  readonly name: string;
  readonly build: string;
  readonly bytes: number;
  /** Newest change of its weights, in milliseconds since 1970; 0 if it cannot be opened. */
  readonly changedAt: number;
  /** Why the model cannot be opened. */
  readonly fault: string | undefined;
}

export type CoordinatorFact =
  | { readonly state: 'unknown' }
  | { readonly state: 'unreachable' | 'certificate'; readonly detail: string }
  | {
      readonly state: 'answered';
      readonly isReady: boolean;
      /** What it needs before it can serve requests, and what works less well, in its own words. */
      readonly missing: readonly string[];
      readonly degraded: readonly string[];
      /** Clock of this machine less that of the coordinator, in milliseconds. */
      readonly clockAheadMs: number | undefined;
    };
