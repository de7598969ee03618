import type { Dashboard, Panel } from './dashboards.ts';

/** Grafana divides the width of a dashboard into 24 columns. */
const WIDTH = 8;
const HEIGHT = 8;
const COLUMNS = 24 / WIDTH;
const SCHEMA = 39;
/** The data source is a choice of the dashboard, so that it works in any Grafana. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: this is a variable of Grafana
const SOURCE = { type: 'prometheus', uid: '${datasource}' };

/** Returns the dashboard in the format that Grafana imports and provisions. */
export function grafanaJson(name: string, { title, panels }: Dashboard): string {
  const dashboard = {
    uid: `dinf-${name}`,
    title,
    tags: ['d-inference'],
    schemaVersion: SCHEMA,
    editable: true,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    templating: {
      list: [{ name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Data source' }],
    },
    panels: panels.map(panelJson),
  };
  return `${JSON.stringify(dashboard, undefined, 1)}\n`;
}

function panelJson({ title, about, unit = 'short', queries }: Panel, index: number) {
  return {
    id: index + 1,
    type: 'timeseries',
    title,
    ...(about !== undefined && { description: about }),
    datasource: SOURCE,
    gridPos: {
      x: (index % COLUMNS) * WIDTH,
      y: Math.floor(index / COLUMNS) * HEIGHT,
      w: WIDTH,
      h: HEIGHT,
    },
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
    targets: Object.entries(queries).map(([legendFormat, expr], target) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + target),
      datasource: SOURCE,
      expr,
      legendFormat,
    })),
  };
}
