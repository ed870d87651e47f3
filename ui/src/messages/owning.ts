// Texts of whose a host is, and who may do what with it, beside those of the whole page: they come with what shows them.
import { owning } from './en/owning.ts';
import { partOf } from './index.ts';

export const t = partOf(owning);
