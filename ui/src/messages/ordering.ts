// Texts of what hosts are ordered to carry out, beside those of the whole page: they come with what shows them.
import { ordering } from './en/ordering.ts';
import { partOf } from './index.ts';

export const t = partOf(ordering);
