// Texts of silences and maintenance that are planned, beside those of the whole page: they come with what shows them.
import { planning } from './en/planning.ts';
import { partOf } from './index.ts';

export const t = partOf(planning);
