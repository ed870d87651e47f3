// Texts of what is done to many at once, beside those of the whole page: they come with what shows them.
import { bulk } from './en/bulk.ts';
import { partOf } from './index.ts';

export const t = partOf(bulk);
