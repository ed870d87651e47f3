// Texts of agents, and how they join, beside those of the whole page: they come with what shows them.
import { joining } from './en/joining.ts';
import { partOf } from './index.ts';

export const t = partOf(joining);
