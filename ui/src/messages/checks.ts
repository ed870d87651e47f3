// Texts of the checks of all hosts, beside those of the whole page: they come with what shows them.
import { checks } from './en/checks.ts';
import { partOf } from './index.ts';

export const t = partOf(checks);
