import { en } from './en.ts';
import type { Messages } from './index.ts';
export const de: Messages = { ...en };
