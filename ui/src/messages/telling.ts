// Texts of receivers, routes and who is on call, beside those of the whole page: they come with what shows them.
import { telling } from './en/telling.ts';
import { partOf } from './index.ts';

export const t = partOf(telling);
