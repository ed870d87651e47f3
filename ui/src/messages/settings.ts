// Texts of the settings, beside those of the whole page: they come with what shows them.
import { settings } from './en/settings.ts';
import { partOf } from './index.ts';

export const t = partOf(settings);
