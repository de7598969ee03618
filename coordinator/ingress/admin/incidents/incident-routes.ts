import { Type } from '#bus-schemas/type.ts';
import { asTime, orNull } from '../../http/api.ts';
import type { AdminApi } from '../admin-api.ts';
import { INCIDENT_ALERTS, kindOf } from './incident-kinds.ts';
import type { NetworkIncident } from './incident-list.ts';
import { incidentText } from './incident-texts.ts';
import type { IncidentWatch } from './incident-watch.ts';

export interface IncidentRoutesDeps {
  readonly admin: AdminApi;
  readonly incidents: Pick<IncidentWatch, 'now' | 'watchesSince'>;
}

const IncidentRow = Type.Object({
  alert: Type.Enum(INCIDENT_ALERTS, {
    description: 'The alert of Prometheus, and the section of docs/operating/incidents.md.',
  }),
  severity: Type.Enum(['critical', 'warning']),
  subject: Type.String({
    description: 'What it concerns, such as a stream; empty for the network.',
  }),
  text: Type.String(),
  values: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()]), {
    description: 'The names and numbers in `text`, for pages in other languages.',
  }),
  since: Type.String(),
  ended_at: orNull(Type.String()),
});

/** The route of incidents. */
export function addIncidentRoutes({ admin, incidents }: IncidentRoutesDeps): void {
  admin.read({
    url: '/admin/incidents',
    summary: 'What is wrong now and since when, and the last incidents that have ended',
    description:
      'This ingress looks every 15 s. What needs figures over time, such as a growing share of failed requests, is in the alerts of Prometheus only.',
    reply: Type.Object({
      watches_since: Type.String(),
      open: Type.Array(IncidentRow),
      ended: Type.Array(IncidentRow),
    }),
    handle: async () => {
      const { open, ended } = await incidents.now();
      return {
        watches_since: asTime(incidents.watchesSince),
        open: open.map(rowOf),
        ended: ended.map(rowOf),
      };
    },
  });
}

const rowOf = (incident: NetworkIncident) => ({
  alert: incident.alert,
  severity: kindOf(incident.alert).severity,
  subject: incident.subject,
  text: incidentText(incident),
  values: { ...incident.values },
  since: asTime(incident.since),
  ended_at: incident.endedAt === undefined ? null : asTime(incident.endedAt),
});
