import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clock, moment, untilHour, when, zone } from '../../src/lib/format.ts';
import { ticks } from '../../src/lib/ticks.ts';
import { aheadAt, browserZone, choose, chosenZone, field, shifted, typed, zoneName } from '../../src/lib/zone.ts';

const at = (text: string): number => Date.parse(text) / 1000;

test('times are written and read in the zone that was chosen, in winter and in summer', () => {
  const winter = at('2026-01-15T23:30:05Z');
  const summer = at('2026-07-15T23:30:00Z');
  try {
    choose('Europe/Oslo');
    assert.equal(chosenZone(), 'Europe/Oslo');
    assert.equal(clock(winter), '00:30');
    assert.equal(clock(summer), '01:30');
    assert.equal(moment(winter), '2026-01-16 00:30:05');
    assert.equal(zone(winter), 'GMT+1');
    assert.equal(when(winter, at('2026-01-15T22:30:00Z')), '16 Jan', 'the day there, not here');
    assert.equal(when(winter, at('2026-01-16T10:00:00Z')), '00:30');
    assert.equal(untilHour(9, winter), 8 * 3600 + 1795);
    choose('Asia/Kolkata');
    assert.equal(clock(winter), '05:00');
    assert.equal(ticks(winter, winter + 6 * 3600, 7)[0]?.text, '06:00', 'round hours of the zone');
    choose('UTC');
    assert.equal(moment(summer), '2026-07-15 23:30:00');
    assert.equal(zone(summer), 'UTC');
  } finally {
    choose('');
  }
  assert.equal(zoneName(), browserZone());
});

test('what a field names is the moment that it was filled with', () => {
  try {
    for (const name of ['', 'Europe/Oslo', 'America/St_Johns', 'Australia/Lord_Howe', 'Pacific/Apia']) {
      choose(name);
      for (const moment of ['2026-03-29T00:30:00Z', '2026-03-29T01:30:00Z', '2026-10-25T03:00:00Z', '2026-11-22T14:00:00Z']) {
        assert.equal(typed(field(at(moment))), at(moment), `${name} ${moment}`);
      }
      assert.ok(Number.isNaN(typed('')));
    }
  } finally {
    choose('');
  }
});

test('what reads dates by the clock of the browser is shown that of the zone', () => {
  try {
    choose('America/New_York');
    const date = shifted(at('2026-11-22T14:00:00Z'));
    assert.deepEqual([date.getHours(), date.getDate()], [9, 22]);
    assert.equal(aheadAt(at('2026-11-22T14:00:00Z')), -5 * 3600);
  } finally {
    choose('');
  }
});

test('a zone that the browser does not know is its own', () => {
  choose('Nowhere/At_All');
  assert.equal(chosenZone(), '');
  assert.equal(zoneName(), browserZone());
});
