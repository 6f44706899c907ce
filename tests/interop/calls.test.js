'use strict';
// What a foreign client can say to the echo service, in each of the three ways to name a method.

const assert = require('node:assert');
const {after, before, describe} = require('node:test');

const {peers} = require('./peers');
const {COMPOSITE, DEADLINE, JSON_TYPE, JsonClient, MIME_OF_DATA, ROUTING, by_id, check, fails,
       parse, start_echo, start_notes, styles} = require('./support');

const CONNECTION_ERROR = 0x101;
const APPLICATION_ERROR = 0x201, REJECTED = 0x202, INVALID = 0x204;
const codes = {
  overloaded: 0x202, cancelled: 0x203, invalid: 0x204, deadline: 0x301, unavailable: 0x302,
  not_found: 0x303, denied: 0x304, conflict: 0x305, unsupported: 0x306, internal: 0x307,
  data_loss: 0x308,
};

let echo, notes;
before(async () => { [echo, notes] = await Promise.all([start_echo(), start_notes()]); });
after(() => { echo.kill(); notes.kill(); });

for (const peer of peers()) {
  for (const [name, style] of Object.entries(styles)) {
    describe(`${peer.name}, ${name}`, () => {
      let client;
      before(async () => { client = await JsonClient.connect(peer, echo.port, style); });
      after(() => client.close());

      check('plus, by position and by name', async () => {
        assert.strictEqual(await client.call('example/echo.plus', 40, 2), 42);
        assert.strictEqual(await client.call('example/echo.plus', -7, 7), 0);
        assert.strictEqual(await client.call_by_name('example/echo.plus', {b: 1, a: 2}), 3);
      });

      check('64-bit integers are exact', async () => {
        const payload = client.payload('example/echo.plus', []);
        payload.data = Buffer.from('[9007199254740993, 1]');
        const reply = await client.connection.request(payload).promise;
        assert.strictEqual(reply.toString(), '9007199254740994');
      });

      check('upper', async () => {
        assert.strictEqual(await client.call('example/echo.upper', 'grüße'), 'GRüßE');
        assert.strictEqual(await client.call('example/echo.upper', ''), '');
        assert.strictEqual(await client.call_by_name('example/echo.upper', 'bare'), 'BARE');
      });

      check('greet, a struct both ways', async () => {
        const ann = {name: 'Ann', age: 30};
        const expected = {text: 'Hello, Ann!', to: ann};
        assert.deepStrictEqual(await client.call('example/echo.greet', ann), expected);
        assert.deepStrictEqual(await client.call_by_name('example/echo.greet', ann), expected);
        assert.deepStrictEqual(await client.call_by_name('example/echo.greet', {who: ann}),
                               expected);
        const bob = await client.call('example/echo.greet', {name: 'Bob'});
        assert.strictEqual(bob.text, 'Hello, Bob!');
        assert.ok(bob.to.age === undefined || bob.to.age === null);
      });

      check('the service\'s own error', async () => {
        await fails(client.call('example/echo.fail', 'out_of_stock', 'none left'),
                    APPLICATION_ERROR, 'out_of_stock: none left');
      });

      check('every code of the table', async () => {
        for (const [word, code] of Object.entries(codes))
          await fails(client.call('example/echo.fail', word, `because ${word}`), code,
                      `because ${word}`);
      });

      check('unknown routes', async () => {
        await fails(client.call('example/echo.nothing'), codes.unsupported);
        await fails(client.call('example/nobody.plus', 1, 2), codes.not_found);
        await fails(client.call('plus', 1, 2), codes.not_found);
        assert.strictEqual(await client.call('example/echo.plus', 1, 2), 3);
      });

      check('wrong arguments', async () => {
        await fails(client.call('example/echo.plus', 1), INVALID, /b/);
        await fails(client.call('example/echo.plus', 1, 2, 3), INVALID);
        await fails(client.call('example/echo.plus', 'one', 2), INVALID, /a/);
        await fails(client.call_by_name('example/echo.plus', {a: 1, c: 2}), INVALID, /c/);
        const payload = client.payload('example/echo.plus', []);
        for (const garbage of ['[1, 2', '', '\u0000', '[1, 2] 3', 'null']) {
          payload.data = Buffer.from(garbage);
          await fails(client.connection.request(payload).promise, INVALID);
        }
        assert.strictEqual(await client.call('example/echo.plus', 1, 2), 3);
      });

      check('no metadata, or metadata without a route', async () => {
        const data = Buffer.from('[1, 2]');
        await fails(client.connection.request({data}).promise, INVALID);
        for (const metadata of [Buffer.from([0xff]), Buffer.from([0xfe, 0, 0, 9, 1]),
                                Buffer.from('nonsense')])
          await fails(client.connection.request({data, metadata}).promise, INVALID);
        assert.strictEqual(await client.call('example/echo.plus', 1, 2), 3);
      });

      check('streams and channels of a method that has none', async () => {
        const payload = client.payload('example/echo.plus', [1, 2]);
        await fails(client.connection.stream(payload, 5).promise, codes.unsupported);
        await fails(client.connection.channel(payload, 5).promise, codes.unsupported);
        const nobody = client.payload('example/nobody.plus', []);
        await fails(client.connection.stream(nobody, 0x7fffffff).promise, codes.not_found);
        assert.strictEqual(await client.call('example/echo.plus', 1, 2), 3);
      });
    });
  }

  describe(`${peer.name}, metadata entries`, () => {
    const {meta} = peer;
    const connect = async (t) => {
      const client = await JsonClient.connect(peer, echo.port);
      t.after(() => client.close());
      return client;
    };
    const route = (r) => by_id.encode(meta, r);
    const with_entry = (before, type, content) =>
      meta.encodeAndAddCustomMetadata(before, type, content);

    check('unknown entries are skipped, wherever the route is', async (t) => {
      const client = await connect(t);
      let metadata = with_entry(Buffer.alloc(0), 'application/x-unheard-of', Buffer.from('x'));
      metadata = meta.encodeAndAddWellKnownMetadata(metadata, 0x05, Buffer.from('{}'));
      metadata = Buffer.concat([metadata, route('example/echo.plus')]);
      metadata = with_entry(metadata, 'text/plain', Buffer.alloc(0));
      const call = client.connection.request({data: Buffer.from('[1,2]'), metadata});
      assert.strictEqual(parse(await call.promise), 3);
    });

    check('a deadline', async (t) => {
      const client = await JsonClient.connect(peer, notes.port);
      t.after(() => client.close());
      const left = async (...ms) => {
        let metadata = route('test/notes.time_left');
        if (ms.length) metadata = with_entry(metadata, DEADLINE, Buffer.from(ms));
        return parse(await client.connection.request({data: Buffer.from('[]'), metadata}).promise);
      };
      const some = await left(0, 1, 0, 0);
      assert.ok(some > 0 && some <= 65536, `${some} ms`);
      assert.strictEqual(await left(0, 0, 0, 0), -1);
      assert.strictEqual(await left(), -1);
    });

    // Data types per call: JSON on a connection of bytes, bytes on one of JSON, MessagePack.
    const typed = async (data_type, entry, method, data) => {
      const connection = await peer.connect({
        port: echo.port, data_type, metadata_type: COMPOSITE});
      let metadata = route(`example/echo.${method}`);
      if (entry) metadata = meta.encodeAndAddCustomMetadata(metadata, MIME_OF_DATA, entry);
      try {
        return await connection.request({data, metadata}).promise;
      } finally {
        connection.close();
      }
    };
    const spelled = (type) => Buffer.concat([Buffer.from([type.length - 1]), Buffer.from(type)]);
    const bytes = Buffer.from(Array.from({length: 256}, (_, i) => i));

    check('the data type of one call', async () => {
      const args = Buffer.from('[20, 22]');
      const octets = 'application/octet-stream';
      assert.strictEqual(parse(await typed(octets, Buffer.from([0x85]), 'plus', args)), 42);
      assert.strictEqual(parse(await typed(octets, spelled(JSON_TYPE), 'plus', args)), 42);
      assert.deepStrictEqual(await typed(JSON_TYPE, Buffer.from([0x86]), 'echo', bytes), bytes);
      assert.deepStrictEqual(await typed(JSON_TYPE, spelled(octets), 'echo', bytes), bytes);
      assert.deepStrictEqual(await typed(octets, undefined, 'echo', bytes), bytes);
    });

    check('MessagePack', async () => {
      const args = Buffer.from([0x92, 0x14, 0x16]), reply = Buffer.from([42]);
      const type = 'application/x-msgpack';
      assert.deepStrictEqual(await typed(type, undefined, 'plus', args), reply);
      assert.deepStrictEqual(await typed(JSON_TYPE, spelled(type), 'plus', args), reply);
    });

    check('a data type that nobody speaks', async () => {
      const xml = Buffer.from('<a/>');
      await fails(typed(JSON_TYPE, spelled('text/xml'), 'plus', xml), codes.unsupported);
      // In SETUP it costs the calls that do not name another.
      await fails(typed('text/xml', undefined, 'plus', xml), codes.unsupported);
      const json = Buffer.from('[20,22]');
      assert.deepStrictEqual(await typed('text/xml', spelled(JSON_TYPE), 'plus', json),
                             Buffer.from('42'));
    });

    check('a metadata type that nobody speaks', async (t) => {
      const connection = await peer.connect({
        port: echo.port, data_type: JSON_TYPE, metadata_type: 'text/plain'});
      t.after(() => connection.close());
      await fails(connection.request({data: Buffer.from('[1,2]'),
                                      metadata: Buffer.from('example/echo.plus')}).promise,
                  INVALID);
    });

    check('metadata that is too long ends the connection, and only that one', async (t) => {
      const other = await connect(t);
      const connection = await peer.connect({
        port: echo.port, data_type: JSON_TYPE, metadata_type: ROUTING});
      const call = connection.request({data: Buffer.alloc(0), metadata: Buffer.alloc(65537)});
      await assert.rejects(call.promise);
      assert.strictEqual((await connection.closed).code, CONNECTION_ERROR);
      assert.strictEqual(await other.call('example/echo.plus', 1, 2), 3);
    });

    check('more calls in flight than a connection may have', async (t) => {
      const client = await connect(t);
      const naps = Array.from({length: 1024}, () => client.start('example/echo.nap', 60000));
      Promise.allSettled(naps.map((n) => n.promise));
      await fails(client.call('example/echo.plus', 1, 2), REJECTED);
      naps[0].cancel();
      assert.strictEqual(await client.call('example/echo.plus', 1, 2), 3);
    });
  });
}
