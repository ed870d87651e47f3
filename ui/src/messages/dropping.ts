// Texts of hosts that are dropped and come back, beside those of the whole page: they come with what shows them.
import { dropping } from './en/dropping.ts';
import { partOf } from './index.ts';

export const t = partOf(dropping);
