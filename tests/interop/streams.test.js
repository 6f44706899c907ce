'use strict';
// Streams and channels of the flow service (see notes_server.cpp), driven by foreign clients: credit,
// cancellation and errors in the middle.

const assert = require('node:assert');
const {after, before, describe} = require('node:test');

const {peers} = require('./peers');
const {JsonClient, check, fails, parse, pause, start_notes, styles, until} = require('./support');

const APPLICATION_ERROR = 0x201, INVALID = 0x204, UNSUPPORTED = 0x306;
const UNBOUNDED = 0x7fffffff;

let server;
before(async () => { server = await start_notes(); });
after(() => { server.kill(); });

const numbers = (from, n) => Array.from({length: n}, (_, i) => from + i);

for (const peer of peers()) {
  for (const [name, style] of Object.entries(styles)) {
    describe(`${peer.name}, ${name}`, () => {
      let client;
      before(async () => { client = await JsonClient.connect(peer, server.port, style); });
      after(() => client.close());

      const stream = (member, args, n) =>
        client.connection.open_stream(client.payload(`test/flow.${member}`, args), n);
      // The first value goes with the route; a member without arguments takes it for one.
      const channel = (member, values, n) => client.connection.open_channel(
          values.map((v) => client.payload(`test/flow.${member}`, v)), n);
      const given = (s) => s.values.map(parse);
      const stopped = () => client.call('test/flow.stopped');

      check('a stream, all at once', async () => {
        const s = stream('count', [10, 5000], UNBOUNDED);
        await s.ended;
        assert.deepStrictEqual(given(s), numbers(10, 5000));
        const none = stream('count', [0, 0], UNBOUNDED);
        await none.ended;
        assert.deepStrictEqual(given(none), []);
      });

      check('a stream in small helpings', async () => {
        const s = stream('count', [0, 10], 3);
        await until(() => s.values.length === 3);
        await pause(30);
        assert.strictEqual(s.values.length, 3);
        s.request(1);
        s.request(1);
        await until(() => s.values.length === 5);
        await pause(30);
        assert.strictEqual(s.values.length, 5);
        s.request(UNBOUNDED);
        await s.ended;
        assert.deepStrictEqual(given(s), numbers(0, 10));
      });

      check('one value at a time', async () => {
        const s = stream('count', [0, 100], 1);
        for (let i = 1; i <= 100; ++i) {
          await until(() => s.values.length >= i);
          assert.strictEqual(s.values.length, i);
          s.request(1);
        }
        await s.ended;
      });

      check('cancelled in the middle: the generator ends', async () => {
        const was = await stopped();
        const s = stream('endless', [], 20);
        await until(() => s.values.length === 20);
        s.cancel();
        await until(async () => (await stopped()) === was + 1);
        const flood = stream('endless', [], UNBOUNDED);
        await until(() => flood.values.length > 1000);
        flood.cancel();
        await until(async () => (await stopped()) === was + 2);
      });

      check('an error in the middle', async () => {
        const s = stream('broken', [], UNBOUNDED);
        await fails(s.ended, APPLICATION_ERROR, 'tired: enough');
        assert.deepStrictEqual(given(s), [1, 2]);
      });

      check('drops are counted, and nothing is said of them', async () => {
        const s = stream('hasty', [1000], 5);
        await until(() => s.values.length === 5);
        s.request(UNBOUNDED);
        await s.ended;
        assert.ok(s.values.length < 1000);
        assert.deepStrictEqual(given(s).slice(0, 5), numbers(0, 5));
      });

      check('a sink replies at the end', async () => {
        const s = channel('sum', numbers(1, 1000), 1);
        await s.ended;
        assert.deepStrictEqual(given(s), [500500]);
        const one = channel('sum', [7], UNBOUNDED);
        await one.ended;
        assert.deepStrictEqual(given(one), [7]);
      });

      check('a sink without a reply', async () => {
        const s = channel('swallow', numbers(1, 100), 1);
        await s.ended;
        assert.deepStrictEqual(given(s), []);
      });

      check('a sink that replies early', async () => {
        const s = channel('first', numbers(5, 1000), 1);
        await s.ended;
        assert.deepStrictEqual(given(s), [5]);
      });

      check('a channel both ways', async () => {
        const s = channel('twice', numbers(0, 500), UNBOUNDED);
        await s.ended;
        assert.deepStrictEqual(given(s), numbers(0, 500).map((v) => 2 * v));
      });

      check('a channel in small helpings', async () => {
        const s = channel('twice', numbers(0, 50), 2);
        await until(() => s.values.length === 2);
        await pause(30);
        assert.strictEqual(s.values.length, 2);
        s.request(UNBOUNDED);
        await s.ended;
        assert.strictEqual(s.values.length, 50);
      });

      check('a channel whose handler fails', async () => {
        const s = channel('refuse', numbers(0, 50), UNBOUNDED);
        await fails(s.ended, 0x304, 'not you');
      });

      check('values that do not fit', async () => {
        await fails(channel('sum', ['no number'], 1).ended, INVALID);
        await fails(channel('sum', [1, 2, {no: 'number'}, 3], 1).ended, INVALID);
      });

      check('the wrong interaction', async () => {
        await fails(client.call('test/flow.count', 1, 2), UNSUPPORTED);
        await fails(channel('count', [[1, 2]], 1).ended, UNSUPPORTED);
        await fails(stream('sum', [], 1).ended, UNSUPPORTED);
        await fails(stream('count', ['x', 2], 1).ended, INVALID);
        assert.strictEqual(typeof await stopped(), 'number');
      });
    });
  }
}
