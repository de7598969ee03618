import { type CallOf, callRoute } from '../api/call.ts';
import type { OperatorRoutes } from './routes.ts';

/** Calls a route of the operators' listener. */
export const operatorCall: CallOf<OperatorRoutes> = callRoute;
