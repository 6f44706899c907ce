'use strict';
// Clients written with rsocket-js that lose their connection, and resume.

const assert = require('node:assert');
const net = require('net');
const {after, before, describe} = require('node:test');

const {peers} = require('./peers');
const {JsonClient, check, pause, start_echo, start_notes, until} = require('./support');

let echo, notes;
before(async () => { [echo, notes] = await Promise.all([start_echo(), start_notes()]); });
after(() => { echo.kill(); notes.kill(); });

// Passes connections on to `port`, and ends them when told to, with what is on its way.
class Proxy {
  constructor(port) {
    this.pairs = new Set();
    this.server = net.createServer((client) => {
      const pair = [client, net.connect(port, '127.0.0.1')];
      this.pairs.add(pair);
      const end = () => {
        pair.forEach((s) => s.destroy());
        this.pairs.delete(pair);
      };
      for (const [from, to] of [pair, [pair[1], pair[0]]]) {
        from.on('data', (data) => to.write(data));
        from.on('error', end);
        from.on('close', end);
      }
    });
  }

  listen() {
    return new Promise((resolve) => {
      this.server.listen(0, '127.0.0.1', () => resolve(this.server.address().port));
    });
  }

  cut() {
    const pairs = [...this.pairs];
    pairs.forEach((pair) => pair.forEach((s) => s.destroy()));
    return pairs.length;
  }

  close() {
    this.cut();
    this.server.close();
  }
}

for (const peer of peers()) {
  describe(`${peer.name} resumes`, () => {
    const connect = async (t, server) => {
      const proxy = new Proxy(server.port);
      const port = await proxy.listen();
      const client = await JsonClient.connect(peer, port, undefined, {resume: true});
      t.after(() => { client.close(); proxy.close(); });
      return [client, proxy];
    };

    check('calls go on over another connection', async (t) => {
      const [client, proxy] = await connect(t, echo);
      let next = 0, running = true;
      const worker = async () => {
        while (running) {
          const i = next++;
          assert.strictEqual(await client.call('example/echo.plus', i, 1), i + 1);
        }
      };
      const workers = Array.from({length: 16}, worker);
      // 1.0.0-alpha.3 does not come back if it loses a connection before RESUME_OK.
      for (let cuts = 0; cuts < 20; ++cuts) {
        const before = next;
        await until(() => next > before + 16);
        await pause(Math.random() * 20);
        assert.strictEqual(proxy.cut(), 1);
      }
      running = false;
      await Promise.all(workers);
      assert.ok(next > 20, `${next} calls`);
    });

    check('an answer that was lost with the connection comes again', async (t) => {
      const [client, proxy] = await connect(t, echo);
      assert.strictEqual(await client.call('example/echo.plus', 1, 2), 3);
      const slow = client.call('example/echo.nap', 300);
      await pause(50);
      assert.strictEqual(proxy.cut(), 1);
      assert.strictEqual(await slow, 300);
    });

    check('what asks for no answer arrives once', async (t) => {
      const [client, proxy] = await connect(t, notes);
      const before = await client.call('test/notes.noted');
      for (let i = 0; i < 200; ++i) {
        client.send('test/notes.note', `number ${i}`);
        if (i % 20 === 19) {
          await client.call('test/notes.noted');
          client.send('test/notes.note', 'on its way');
          proxy.cut();
        }
      }
      await until(async () => (await client.call('test/notes.noted')) >= before + 210);
      await pause(50);
      assert.strictEqual(await client.call('test/notes.noted'), before + 210);
    });
  });
}
