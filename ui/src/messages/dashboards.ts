// Texts of dashboards, beside those of the whole page: they come with what shows them.
import { dashboards } from './en/dashboards.ts';
import { partOf } from './index.ts';

export const t = partOf(dashboards);
