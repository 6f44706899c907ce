'use strict';
// What the test files share: server processes, metadata, and calls in JSON.

const assert = require('node:assert');
const {spawn} = require('child_process');
const {test} = require('node:test');
const path = require('path');

const ROUTING = 'message/x.rsocket.routing.v0';
const COMPOSITE = 'message/x.rsocket.composite-metadata.v0';
const MIME_OF_DATA = 'message/x.rsocket.mime-type.v0';
const DEADLINE = 'application/vnd.tenon.deadline.v1';
const JSON_TYPE = 'application/json';

// Starts a program that prints "listening on tcp://…:PORT" per endpoint.
function start(program, ...args) {
  const child = spawn(program, args, {stdio: ['ignore', 'pipe', 'inherit']});
  const exited = new Promise((resolve) => {
    child.on('exit', (code, signal) => resolve({code, signal}));
  });
  return new Promise((resolve, reject) => {
    let said = '';
    child.on('error', reject);
    exited.then((how) => reject(new Error(`${program} ended early: ${JSON.stringify(how)}`)));
    child.stdout.on('data', (text) => {
      said += text;
      const port = /listening on tcp:.*:(\d+)\n/.exec(said);
      if (port) resolve({port: Number(port[1]), exited, kill: (signal) => child.kill(signal)});
    });
  });
}

// The echo service, and the notes service of notes_server.cpp; see there.
const start_echo = () =>
  start(path.join(process.env.TENON_BUILD, 'examples/echo_server'), '--listen',
        'tcp://127.0.0.1:0');
const start_notes = () => start(path.join(process.env.TENON_INTEROP_DIR, 'notes_server'));

// The same call, said in the three ways that RSocket knows.
const styles = {
  'plain routing': {
    metadata_type: ROUTING,
    encode: (meta, route) => meta.encodeRoute(route),
  },
  'composite, well-known id': {
    metadata_type: COMPOSITE,
    encode: (meta, route) => meta.encodeAndAddWellKnownMetadata(
        Buffer.alloc(0), 0x7e, meta.encodeRoute(route)),
  },
  'composite, spelled out': {
    metadata_type: COMPOSITE,
    encode: (meta, route) => meta.encodeAndAddCustomMetadata(
        Buffer.alloc(0), ROUTING, meta.encodeRoute(route)),
  },
};
const by_id = styles['composite, well-known id'];

// A connection that speaks JSON in one of the styles.
class JsonClient {
  static async connect(peer, port, style = by_id, options = {}) {
    const connection = await peer.connect({
      port, data_type: JSON_TYPE, metadata_type: style.metadata_type, ...options});
    return new JsonClient(peer, style, connection);
  }

  constructor(peer, style, connection) {
    Object.assign(this, {peer, style, connection, closed: connection.closed});
  }

  payload(route, args) {
    return {data: Buffer.from(JSON.stringify(args)),
            metadata: this.style.encode(this.peer.meta, route)};
  }

  start(route, ...args) { return this.connection.request(this.payload(route, args)); }

  async call(route, ...args) { return parse(await this.start(route, ...args).promise); }

  async call_by_name(route, args) {
    return parse(await this.connection.request(this.payload(route, args)).promise);
  }

  send(route, ...args) { this.connection.fire_and_forget(this.payload(route, args)); }

  close() { this.connection.close(); }
}

const parse = (data) => (data && data.length ? JSON.parse(data.toString()) : null);

// The call fails with that code of an ERROR frame; `text`: what the message says.
async function fails(promise, code, text) {
  let reply;
  try {
    reply = await promise;
  } catch (e) {
    assert.strictEqual(e.code, code, `code 0x${(e.code || 0).toString(16)}: ${e.message}`);
    if (text instanceof RegExp) assert.match(e.message, text);
    else if (text !== undefined) assert.strictEqual(e.message, text);
    return e;
  }
  assert.fail(`expected error 0x${code.toString(16)}, got ${JSON.stringify(reply)}`);
}

// A test with a limit of its own, so that one that hangs does not hide the others. `f` gets the test
// context, whose after() is for closing what it opens.
const check = (name, f) => test(name, {timeout: 10000}, f);

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Asks until the answer is true; the test's own time limit ends it.
async function until(question) {
  while (!(await question())) await pause(10);
}

module.exports = {
  COMPOSITE, DEADLINE, JSON_TYPE, JsonClient, MIME_OF_DATA, ROUTING, by_id, check, fails, parse,
  pause, start, start_echo, start_notes, styles, until,
};
