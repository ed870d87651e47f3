import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Me } from '../../src/lib/api-types.ts';
import { differs, mayOperate, mayOperateSome, meets } from '../../src/lib/rights.ts';

const me = (more: Partial<Me> = {}): Me => ({ name: 'vera', full_name: 'Vera', admin: false, roles: { db1: 'monitor', web1: 'manager' }, csrf: '1', second_factor: 'none', open: false, ...more });

test('somebody may do something else when a role, an administrator’s rights or the person changes', () => {
  for (const more of [{ admin: true }, { name: 'ida' }, { open: true }, { second_factor: 'needed' as const }, { roles: { db1: 'manager', web1: 'manager' } }, { roles: { web1: 'manager' } }, { roles: { db1: 'monitor', web2: 'manager' } }]) {
    assert.ok(differs(me(), me(more)) && differs(me(more), me()), JSON.stringify(more));
  }
});

test('the order of hosts and the name for people change nothing', () => {
  assert.ok(!differs(me(), me({ roles: { web1: 'manager', db1: 'monitor' }, full_name: 'Vera V.' })));
});

test('who only looks acts on nothing', () => {
  assert.deepEqual([mayOperate(me(), 'db1'), mayOperate(me(), 'web1'), mayOperate(null, 'web1')], [false, true, false]);
  assert.deepEqual([mayOperateSome(me()), mayOperateSome(me({ roles: { db1: 'monitor' } })), mayOperateSome(me({ admin: true, roles: {} }))], [true, false, true]);
});

test('roles are asked for again where a host is seen that is in none of them', () => {
  assert.deepEqual([meets(me(), ['web1', 'db1']), meets(me(), ['web1', 'came-later']), meets(me(), [])], [false, true, false]);
  assert.deepEqual([meets(null, ['web1']), meets(me({ admin: true, roles: {} }), ['web1'])], [false, false]);
});
