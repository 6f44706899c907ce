'use strict';
// A service written for rsocket-js, for Tenon clients to call: like the echo service, and some
// methods that misbehave. Data is JSON unless an entry of the metadata says bytes. Errors carry the
// code that the handler chose where the library can send one.

const COMPOSITE_ROUTING = 'message/x.rsocket.routing.v0';
const MIME_OF_DATA = 'message/x.rsocket.mime-type.v0';
const BYTES_ID = 0x86;

class CodedError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// What the metadata says, taken apart by the library's own decoder.
function read_metadata(meta, metadata) {
  const found = {route: undefined, bytes: false};
  for (const entry of new meta.CompositeMetadata(metadata)) {
    if (entry.mimeType === COMPOSITE_ROUTING) {
      found.route = [...new meta.RoutingMetadata(entry.content)][0];
    } else if (entry.mimeType === MIME_OF_DATA) {
      const type = entry.content;
      found.bytes = type[0] === BYTES_ID ||
          type.subarray(1).toString() === 'application/octet-stream';
    }
  }
  return found;
}

// announce(port): called once it listens.
function make_service(meta, announce) {
  let connections = 0, noted = 0, cancelled = 0, stopped = 0;
  const forever = new Promise(() => {});

  const methods = {
    plus: (a, b) => a + b,
    upper: (text) => text.toUpperCase(),
    greet: (who) => ({text: `Hello, ${who.name}!`, to: who}),
    fail: (code, message) => { throw new CodedError(code, message); },
    silent: () => forever,
    big: (size) => 'b'.repeat(size),
    nothing: () => null,
    later: (ms) => new Promise((resolve) => setTimeout(() => resolve(ms), ms)),
    note: () => { ++noted; return null; },
    noted: () => noted,
    cancelled: () => cancelled,
    stopped: () => stopped,
    connections: () => connections,
    garbage: () => Buffer.from('{"no json'),
    vanish: () => process.exit(0),
  };

  const encoded = function* (values) {
    for (const v of values) yield Buffer.from(JSON.stringify(v));
  };
  const name_of = (metadata) =>
    (read_metadata(meta, metadata).route || '').replace(/^example\/foreign\./, '');

  const streams = {
    * count(from, n) { for (let i = 0; i < n; ++i) yield from + i; },
    * endless() { for (let i = 0; ; ++i) yield i; },
    * tired() { yield 1; yield 2; throw new CodedError(0x201, 'enough'); },
  };

  // What becomes of each value, and what comes at the end.
  const channels = {
    twice: () => ({value: (v) => [2 * v], end: () => []}),
    sum: () => {
      let all = 0;
      return {value: (v) => { all += v; return []; }, end: () => [all]};
    },
    add: () => {  // the first value is the argument list
      let more;
      return {
        value: (v) => {
          if (more !== undefined) return [v + more];
          more = v[0];
          return [];
        },
        end: () => [],
      };
    },
  };

  // Runs one method; what it says becomes the reply's data.
  async function run({data, metadata}) {
    const {route, bytes} = read_metadata(meta, metadata);
    if (bytes) return data;
    const name = (route || '').replace(/^example\/foreign\./, '');
    if (!Object.hasOwn(methods, name)) throw new CodedError(0x303, `no method ${route}`);
    const result = await methods[name](...JSON.parse(data.toString()));
    return Buffer.isBuffer(result) ? result : Buffer.from(JSON.stringify(result));
  }

  return {
    call: (payload) => ({promise: run(payload), cancel: () => { ++cancelled; }}),
    fire_and_forget: (payload) => { run(payload).catch(() => {}); },
    stream: ({data, metadata}) =>
      encoded(streams[name_of(metadata)](...JSON.parse(data.toString()))),
    channel: ({metadata}) => {
      const handler = channels[name_of(metadata)]();
      return {value: (data) => encoded(handler.value(JSON.parse(data.toString()))),
              end: () => encoded(handler.end())};
    },
    stopped: () => { ++stopped; },
    connected: () => { ++connections; },
    listening: announce,
  };
}

module.exports = {make_service};
