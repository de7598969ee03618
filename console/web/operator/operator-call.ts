import { type Call, callRoute } from '../api/call.ts';
import type { Routes } from './routes.ts';

/** Calls a route of the operators' listener. */
export const operatorCall: Call<Routes> = callRoute;
