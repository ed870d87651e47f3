// Texts of the first start, beside those of the whole page: they come with what shows them.
import { setup } from './en/setup.ts';
import { partOf } from './index.ts';

export const t = partOf(setup);
