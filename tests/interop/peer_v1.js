'use strict';
// rsocket-js 1.0.0-alpha.3 behind the interface that the tests share; see peers.js.

const crypto = require('crypto');
const net = require('net');

const {PeerError, once} = require('./outcome');

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

module.exports = function (load) {
  const core = load('rsocket-core');
  const {TcpClientTransport} = load('rsocket-tcp-client');
  const {TcpServerTransport} = load('rsocket-tcp-server');

  const to_error = (e) => new PeerError(e.code, e.message);

  // The library's RSocketError is compiled such that it is no instance of itself, and then its code
  // is not sent.
  const coded = (e) => Object.setPrototypeOf(
      new core.RSocketError(e.code, e.message), core.RSocketError.prototype);

  // Sends what iterators give, as far as the peer has asked; after the last one the end.
  function under_credit(n, to) {
    let room = n, over = false, waiting = [];
    const work = () => {
      try {
        while (!over && waiting.length > 0) {
          const {values, more} = waiting[0];
          if (room <= 0) return;
          const next = values.next();
          if (!next.done) {
            --room;
            to.onNext({data: next.value}, false);
            continue;
          }
          waiting.shift();
          if (!more) { over = true; to.onComplete(); }
        }
      } catch (e) {
        over = true;
        to.onError(coded(e));
      }
    };
    return {
      request: (more) => { room += more; work(); },
      send: (values, more = false) => {
        waiting.push({values: values[Symbol.iterator](), more});
        setImmediate(work);
      },
      stop: () => { over = true; },
    };
  }

  function connection(rsocket, closed, before_close = () => {}) {
    const one = (payload) => {
      const result = once();
      const call = rsocket.requestResponse(payload, {
        onNext: (reply) => result.resolve(reply.data),
        onComplete: () => result.resolve(undefined),
        onError: (e) => result.reject(to_error(e)),
        onExtension: () => {},
      });
      return {promise: result.promise, cancel: () => call.cancel()};
    };
    const many = (start) => {
      const result = once();
      const values = [];
      const call = start({
        onNext: (reply, complete) => {
          values.push(reply.data);
          if (complete) result.resolve(values);
        },
        onComplete: () => result.resolve(values),
        onError: (e) => result.reject(to_error(e)),
        onExtension: () => {},
        request: () => {},
        cancel: () => {},
      });
      return {promise: result.promise, cancel: () => call.cancel()};
    };
    // A stream under way; start(receiver) opens it.
    const open = (start) => {
      const ended = once();
      const s = {values: [], ended: ended.promise};
      ended.promise.catch(() => {});
      const call = start({
        onNext: (reply, complete) => {
          s.values.push(reply.data);
          if (complete) ended.resolve();
        },
        onComplete: () => ended.resolve(),
        onError: (e) => ended.reject(to_error(e)),
        onExtension: () => ended.reject(new Error('an EXT frame')),
        request: () => {},
        cancel: () => {},
      });
      s.request = (n) => call.request(n);
      s.cancel = () => call.cancel();
      return s;
    };
    const open_channel = (payloads, n) => {
      const rest = payloads.slice(1);
      let call, room = 0;
      const send = () => {
        for (; call && room > 0 && rest.length > 0; --room)
          call.onNext(rest.shift(), rest.length === 0);
      };
      const s = open((receiver) => {
        receiver.request = (more) => { room += more; send(); };
        receiver.cancel = () => { rest.length = 0; };
        call = rsocket.requestChannel(payloads[0], n, rest.length === 0, receiver);
        return call;
      });
      send();
      return s;
    };
    return {
      request: one,
      open_stream: (payload, n) => open((r) => rsocket.requestStream(payload, n, r)),
      open_channel,
      fire_and_forget: (payload) => {
        rsocket.fireAndForget(payload, {onComplete: () => {}, onError: () => {}});
      },
      stream: (payload, n) => many((r) => rsocket.requestStream(payload, n, r)),
      channel: (payload, n) => many((r) => rsocket.requestChannel(payload, n, true, r)),
      closed,
      close: () => { before_close(); rsocket.close(); },
    };
  }

  return {
    name: 'rsocket-js 1.0.0-alpha.3',
    can_fragment: true,
    meta: load('rsocket-composite-metadata'),

    async connect({port, data_type, metadata_type, keep_alive = 60000, lifetime = 300000, lease,
                   setup_data, fragment_size, resume}) {
      const ended = once();
      // The library would go on to connect after close().
      let wanted = true;
      const reconnect = () => (wanted ? pause(5) : new Promise(() => {}));
      const rsocket = await new core.RSocketConnector({
        setup: {dataMimeType: data_type, metadataMimeType: metadata_type, keepAlive: keep_alive,
                lifetime, payload: setup_data && {data: setup_data}},
        fragmentation: {maxOutboundFragmentSize: fragment_size},
        lease: lease ? {maxPendingRequests: 256} : undefined,
        resume: resume ? {tokenGenerator: () => crypto.randomBytes(16),
                          reconnectFunction: reconnect} : undefined,
        transport: new TcpClientTransport({connectionOptions: {host: '127.0.0.1', port}}),
      }).connect();
      rsocket.onClose((e) => ended.resolve(e && to_error(e)));
      return connection(rsocket, ended.promise, () => { wanted = false; });
    },

    async serve(port, service) {
      await new core.RSocketServer({
        resume: {sessionTimeout: 60_000},
        acceptor: {
          accept: async () => {
            service.connected();
            return {
              requestResponse: (payload, reply) => {
                const call = service.call(payload);
                call.promise.then((data) => reply.onNext({data}, true),
                                  (e) => reply.onError(coded(e)));
                return {cancel: () => call.cancel(), onExtension: () => {}};
              },
              fireAndForget: (payload) => {
                service.fire_and_forget(payload);
                return {cancel: () => {}};
              },
              requestStream: (payload, n, to) => {
                const out = under_credit(n, to);
                out.send(service.stream(payload));
                return {request: out.request, onExtension: () => {},
                        cancel: () => { out.stop(); service.stopped(); }};
              },
              requestChannel: (payload, n, complete, to) => {
                const out = under_credit(n, to);
                const handler = service.channel(payload);
                const take = (data, last) => {
                  out.send(handler.value(data), !last);
                  if (last) out.send(handler.end());
                  else to.request(1);
                };
                setImmediate(() => take(payload.data, complete));
                return {request: out.request, onExtension: () => {},
                        onNext: (p, last) => take(p.data, last),
                        onComplete: () => out.send(handler.end()),
                        onError: () => { out.stop(); service.stopped(); },
                        cancel: () => { out.stop(); service.stopped(); }};
              },
            };
          },
        },
        transport: new TcpServerTransport({
          listenOptions: {host: '127.0.0.1', port},
          socketCreator: (options) => {
            const listener = new net.Server(options);
            listener.on('listening', () => service.listening(listener.address().port));
            return listener;
          },
        }),
      }).bind();
    },
  };
};
