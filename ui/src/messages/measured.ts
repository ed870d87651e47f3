// Texts of the metrics of all hosts, beside those of the whole page: they come with what shows them.
import { measured } from './en/measured.ts';
import { partOf } from './index.ts';

export const t = partOf(measured);
