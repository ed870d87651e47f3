// Texts of status pages and the wall, beside those of the whole page: they come with what shows them.
import { publishing } from './en/publishing.ts';
import { partOf } from './index.ts';

export const t = partOf(publishing);
