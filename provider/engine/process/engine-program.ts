import { openUnloadedEngine } from '../open-model-engine.ts';
import { serveEngine } from './serve-engine.ts';

// The program of the process in which the engine of a machine runs.
serveEngine(openUnloadedEngine);
