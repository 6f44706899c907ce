'use strict';
// What happens on a connection besides single calls.

const assert = require('node:assert');
const {after, before, describe} = require('node:test');

const {peers} = require('./peers');
const {JsonClient, check, fails, pause, start_echo, start_notes, until} = require('./support');

let echo, notes;
before(async () => { [echo, notes] = await Promise.all([start_echo(), start_notes()]); });
after(() => { echo.kill(); notes.kill(); });

// `count` calls, `in_flight` at a time; every answer is compared.
async function many_calls(client, count, in_flight) {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const i = next++;
      assert.strictEqual(await client.call('example/echo.plus', i, 1), i + 1);
    }
  };
  await Promise.all(Array.from({length: in_flight}, worker));
}

for (const peer of peers()) {
  describe(peer.name, () => {
    const connect = async (t, server = echo, options = {}) => {
      const client = await JsonClient.connect(peer, server.port, undefined, options);
      t.after(() => client.close());
      return client;
    };

    check('10,000 calls, 64 in flight', async (t) => {
      const client = await connect(t);
      await many_calls(client, 10000, 64);
    });

    check('two clients at once', async (t) => {
      const [one, two] = await Promise.all([connect(t), connect(t)]);
      await Promise.all([many_calls(one, 1000, 16), many_calls(two, 1000, 16)]);
      one.close();
      assert.strictEqual(await two.call('example/echo.plus', 1, 2), 3);
    });

    check('answers come as they are ready, not in the order of the calls', async (t) => {
      const client = await connect(t);
      let slow_is_back = false;
      const slow = client.call('example/echo.nap', 300).then(() => { slow_is_back = true; });
      assert.strictEqual(await client.call('example/echo.plus', 1, 2), 3);
      assert.strictEqual(slow_is_back, false);
      await slow;
    });

    check('a blocking handler holds up nobody', async (t) => {
      const client = await connect(t);
      const slow = client.call('example/echo.sleep', 200);
      assert.strictEqual(await client.call('example/echo.plus', 1, 2), 3);
      assert.strictEqual(await slow, 200);
    });

    check('fire and forget', async (t) => {
      const client = await connect(t, notes);
      const before = await client.call('test/notes.noted');
      for (let i = 0; i < 100; ++i) client.send('test/notes.note', `number ${i}`);
      await until(async () => (await client.call('test/notes.noted')) === before + 100);
      client.send('test/notes.nothing');
      client.send('test/notes.note', 1, 2, 3);
      client.connection.fire_and_forget({data: Buffer.from('"no route"')});
      assert.strictEqual(await client.call('test/notes.noted'), before + 100);
    });

    check('cancellation reaches the handler', async (t) => {
      const client = await connect(t, notes);
      const before = await client.call('test/notes.given_up');
      const calls = [1, 2, 3].map(() => client.start('test/notes.wait', 60000));
      await client.call('test/notes.noted');
      calls.forEach((c) => c.cancel());
      await until(async () => (await client.call('test/notes.given_up')) === before + 3);
    });

    check('a client that goes away has its calls cancelled', async (t) => {
      const [client, other] = [await connect(t, notes), await connect(t, notes)];
      const before = await other.call('test/notes.given_up');
      client.start('test/notes.wait', 60000).promise.catch(() => {});
      await client.call('test/notes.noted');
      client.close();
      await until(async () => (await other.call('test/notes.given_up')) === before + 1);
    });

    check('keep-alives are answered', async (t) => {
      // The library gives the connection up unless KEEPALIVE frames, not just any, come back.
      const client = await connect(t, echo, {keep_alive: 100, lifetime: 400});
      const broken = client.closed.then(() => true);
      assert.strictEqual(await Promise.race([broken, pause(1200)]), undefined);
      assert.strictEqual(await client.call('example/echo.plus', 1, 2), 3);
    });

    check('with leases', async (t) => {
      const client = await connect(t, echo, {lease: true});
      await pause(50);  // 0.0.27 refuses calls, rather than hold them, until the lease is there
      await many_calls(client, 500, 16);
    });

    check('data in SETUP is not looked at', async (t) => {
      const client = await connect(t, echo, {setup_data: Buffer.from('hello there')});
      assert.strictEqual(await client.call('example/echo.plus', 1, 2), 3);
    });

    check('1 MiB of text', async (t) => {
      const client = await connect(t);
      const text = 'abcdefghijklmnopqrstuvwxyz012345'.repeat(32768);
      assert.strictEqual(await client.call('example/echo.upper', text), text.toUpperCase());
      const replies = await Promise.all(['x', 'y', 'z', 'w'].map(
          (c) => client.call('example/echo.upper', c + text)));
      assert.deepStrictEqual(replies.map((r) => r[0] + r.length), ['X', 'Y', 'Z', 'W'].map(
          (c) => c + (text.length + 1)));
    });

    if (peer.can_fragment) {
      for (const size of [64, 1000, 65536]) {
        check(`requests in fragments of ${size} bytes`, async (t) => {
          const client = await connect(t, echo, {fragment_size: size});
          const text = 'm'.repeat(Math.min(size * 300, 1 << 20));
          const calls = [1, 2, 3].map(() => client.call('example/echo.upper', text));
          for (const reply of await Promise.all(calls))
            assert.strictEqual(reply, text.toUpperCase());
        });
      }

      check('metadata in fragments', async (t) => {
        const client = await connect(t, echo, {fragment_size: 12});
        assert.strictEqual(await client.call('example/echo.plus', 1, 2), 3);
      });
    }

    check('the server is killed', async (t) => {
      const server = await start_echo();
      t.after(() => server.kill('SIGKILL'));
      const client = await connect(t, server);
      const call = client.start('example/echo.nap', 60000).promise;
      await client.call('example/echo.plus', 1, 2);
      server.kill('SIGKILL');
      await assert.rejects(call);
      await client.closed;
    });

    check('the server stops: calls in flight are answered, then the connection ends', async (t) => {
      const server = await start_echo();
      t.after(() => server.kill('SIGKILL'));
      const client = await connect(t, server);
      const call = client.call('example/echo.nap', 300);
      await client.call('example/echo.plus', 1, 2);
      server.kill('SIGTERM');
      await pause(100);
      await fails(client.call('example/echo.plus', 1, 2), 0x202);
      assert.strictEqual(await call, 300);
      const end = await client.closed;
      assert.strictEqual(end && end.code, 0x102);
      assert.deepStrictEqual(await server.exited, {code: 0, signal: null});
    });
  });
}
